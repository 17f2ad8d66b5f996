// Says what Node's HTTP parser read of a request.
import { createServer } from 'node:http';

const server = createServer((request, response) => {
  const body = [];
  request.on('data', (chunk) => body.push(chunk));
  request.on('end', () => {
    const fields = [];
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      fields.push([request.rawHeaders[at], request.rawHeaders[at + 1]]);
    }
    const read = {
      method: request.method,
      target: request.url,
      fields,
      body: Buffer.concat(body).toString('hex'),
    };
    const text = JSON.stringify(read);
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    });
    response.end(text);
  });
});
server.listen(Number(process.argv[2]), '127.0.0.1');
