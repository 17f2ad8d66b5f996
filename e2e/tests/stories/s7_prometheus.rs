//! A real Prometheus finds operator and sidecars by their annotations alone.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use byzantine_acceptance::exchange::Http;
use byzantine_acceptance::programs;
use byzantine_e2e::cluster::eventually;
use byzantine_e2e::service::{LIMIT, wallet};
use byzantine_e2e::{Namespace, Service};
use serde_json::Value;

/// Set it where Prometheus cannot be had: the story is then not told, and says so.
const WITHOUT: &str = "BYZANTINE_WITHOUT_PROMETHEUS";

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s7_prometheus_scrapes_by_annotations_alone() {
    if std::env::var_os(WITHOUT).is_some() {
        println!("    NOT TOLD: {WITHOUT} is set");
        return;
    }
    let namespace = Namespace::new("e2e-prometheus");
    let service = Service::apply(namespace.cluster(), &wallet(namespace.name(), "watched"));
    service.full_strength();
    let prometheus = Prometheus::start();

    let sidecars = format!(
        "up{{namespace='{}',byzantine_dev_service='watched'}} == 1",
        namespace.name()
    );
    prometheus.until(&sidecars, |series| series.len() == 4);
    let operator = "up{namespace='byzantine-system'} == 1";
    prometheus.until(operator, |series| series.len() == 1);
    every_recorded_metric_is_there(&prometheus).await;
    the_alerts_are_loaded(&prometheus).await;
    a_dead_primary_shows(&prometheus, &service).await;
}

/// The names in the golden files, and so those of documents, alerts and dashboard.
async fn every_recorded_metric_is_there(prometheus: &Prometheus) {
    let stored = prometheus.get("/api/v1/label/__name__/values").await;
    let stored: BTreeSet<&str> = stored
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let golden = [
        "sidecar/tests/golden/metrics.txt",
        "operator/tests/golden/metrics.txt",
    ];
    let texts = golden.map(|path| fs::read_to_string(programs::repository().join(path)));
    let texts = texts
        .map(|text| text.expect("metric names are recorded"))
        .join("\n");
    let types = texts
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let mut count = 0;
    for (name, kind) in types.filter_map(|line| line.split_once(' ')) {
        let series = if kind == "histogram" {
            format!("{name}_bucket")
        } else {
            name.to_owned()
        };
        assert!(
            stored.contains(series.as_str()),
            "Prometheus has no {series}"
        );
        count += 1;
    }
    println!("    Prometheus has all {count} metrics");
}

async fn the_alerts_are_loaded(prometheus: &Prometheus) {
    let rules = prometheus.get("/api/v1/rules").await;
    let groups = rules["groups"].as_array().cloned().unwrap_or_default();
    let rules: Vec<Value> = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
        .collect();
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    assert!(rules.len() > 10, "{} rules", rules.len());
    println!("    Prometheus evaluates all {} alerts", rules.len());
}

/// The others leave the view, and their metric says so.
async fn a_dead_primary_shows(prometheus: &Prometheus, service: &Service) {
    let query =
        "max(sum without (reason) (byzantine_view_changes_total{byzantine_dev_service='watched'}))";
    let before = prometheus.value(query).await.unwrap_or(0.0);
    let primary = service.primary();
    let mut customer = byzantine_e2e::Customer::start(service.door(), service.policy(), "watched");
    customer.more(2).await;
    let cluster = byzantine_e2e::Cluster::find();
    let pod = service.pod(primary);
    // Held back long enough for the others to lose patience, whatever the machine's speed.
    for _ in 0..3 {
        let arguments = [
            "delete",
            "pod",
            &pod,
            "--namespace",
            service.namespace(),
            "--now",
        ];
        cluster.try_kubectl(&arguments);
    }
    customer.more(5).await;
    customer.satisfied().await;
    prometheus.until(query, |series| series.iter().any(|value| *value > before));
    println!("    view_changes_total moved when the primary was killed");
    service.full_strength();
}

/// A Prometheus on this machine, with the configuration of the operations guide.
struct Prometheus {
    process: Child,
    url: String,
    http: Http,
    _directory: tempfile::TempDir,
}

impl Prometheus {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener
            .local_addr()
            .expect("it has an address")
            .to_string();
        drop(listener);
        let configuration = directory.path().join("prometheus.yml");
        fs::write(&configuration, configured()).expect("it can be written");
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"));
        let log = fs::File::create(directory.path().join("log")).expect("it can be written");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let process = command.spawn().unwrap_or_else(|error| {
            panic!("cannot start prometheus: {error}; install version 3, or set {WITHOUT}=1")
        });
        Self {
            process,
            url: format!("http://{address}"),
            http: Http::default(),
            _directory: directory,
        }
    }

    async fn get(&self, path: &str) -> Value {
        let received = self
            .http
            .get(&format!("{}{path}", self.url), PATIENCE)
            .await;
        let text = received.expect("Prometheus answers").text();
        let mut answer: Value = serde_json::from_str(&text).expect("Prometheus writes JSON");
        answer["data"].take()
    }

    /// The values of an instant query; none where Prometheus does not answer yet.
    async fn values(&self, query: &str) -> Vec<f64> {
        let query = query.bytes().fold(String::new(), |mut encoded, byte| {
            write!(encoded, "%{byte:02X}").expect("a String takes every text");
            encoded
        });
        let url = format!("{}/api/v1/query?query={query}", self.url);
        let Ok(received) = self.http.get(&url, PATIENCE).await else {
            return Vec::new();
        };
        let answer: Value = serde_json::from_str(&received.text()).unwrap_or_default();
        let series = answer["data"]["result"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let values = series.iter().filter_map(|one| one["value"][1].as_str());
        values.filter_map(|value| value.parse().ok()).collect()
    }

    async fn value(&self, query: &str) -> Option<f64> {
        self.values(query).await.first().copied()
    }

    fn until(&self, query: &str, enough: impl Fn(&[f64]) -> bool) {
        let handle = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            eventually(query, LIMIT, || {
                let values = handle.block_on(self.values(query));
                if enough(&values) {
                    Ok(())
                } else {
                    Err(format!("{values:?}"))
                }
            });
        });
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The scrape configuration that the operations guide shows, taken from there.
fn configured() -> String {
    let guide = fs::read_to_string(programs::repository().join("docs/operations.md"));
    let guide = guide.expect("the guide is there");
    let block = guide
        .split("```yaml\n")
        .find(|block| block.starts_with("scrape_configs:"));
    let block = block.and_then(|block| block.split("```").next());
    let block = block.expect("the guide shows a scrape configuration");
    let kubeconfig = std::env::var("KUBECONFIG").unwrap_or_else(|_| {
        let home = std::env::var("HOME").unwrap_or_default();
        Path::new(&home).join(".kube/config").display().to_string()
    });
    let discovery = format!("[{{role: pod, kubeconfig_file: '{kubeconfig}'}}]");
    let block = block.replace("[{role: pod}]", &discovery);
    let rules = programs::repository().join("helm/byzantine-operator/files/alerts.yaml");
    format!(
        "global: {{scrape_interval: 2s, evaluation_interval: 2s}}\nrule_files: ['{}']\n{block}",
        rules.display()
    )
}
