//! Whatever is asked in whatever order: the total is what was minted, nobody owes, and a second
//! wallet given the same requests gives the same answers, also when it is restarted in between.

use http::Method;
use proptest::prelude::*;
use wallet::bank::Bank;
use wallet::operation::Operation;
use wallet::ordinal::Ordinal;
use wallet::store::Store;

/// Method, path and body.
type Line = (Method, String, String);

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let owner = || prop::sample::select(vec!["a", "b", "c", "nobody"]);
    let amount = prop_oneof![6 => 1..60_i64, 1 => -3..1_i64, 1 => Just(i64::MAX)];
    let opening = prop_oneof![4 => 0..200_i64, 1 => Just((1_i64 << 53) - 1), 1 => Just(-1_i64)];
    let open = (prop::sample::select(vec!["a", "b", "c"]), opening).prop_map(|(owner, opening)| {
        (
            Method::POST,
            "/accounts".into(),
            format!(r#"{{"owner":"{owner}","opening":{opening}}}"#),
        )
    });
    let paths = prop::sample::select(vec!["/payments", "/transfers"]);
    let pay = (paths, owner(), owner(), amount).prop_map(|(path, from, to, amount)| {
        let body = format!(r#"{{"from":"{from}","to":"{to}","amount":{amount}}}"#);
        (Method::POST, path.to_owned(), body)
    });
    let settle = (0..8_u8, prop::bool::ANY).prop_map(|(id, accepted)| {
        let verb = if accepted { "accept" } else { "reject" };
        (
            Method::POST,
            format!("/transfers/{id}/{verb}"),
            String::new(),
        )
    });
    let look = prop::sample::select(vec!["/balances", "/total", "/accounts/a", "/transfers/1"])
        .prop_map(|path| (Method::GET, path.to_owned(), String::new()));
    prop::collection::vec(
        prop_oneof![3 => open, 10 => pay, 5 => settle, 2 => look],
        1..70,
    )
}

fn minted(store: &Store) -> i64 {
    let query = "SELECT minted FROM bank";
    store
        .connection()
        .query_row(query, [], |row| row.get(0))
        .expect("one row")
}

fn lowest_balance(store: &Store) -> i64 {
    let query = "SELECT coalesce(min(balance), 0) FROM accounts";
    store
        .connection()
        .query_row(query, [], |row| row.get(0))
        .expect("one row")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn money_is_constant_and_answers_are_deterministic(
        lines in lines(), restart_at in 0..70_usize,
    ) {
        let directories = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
        let [mut one, mut two] =
            directories.each_ref().map(|directory| Store::open(directory.path()).expect("new"));
        for (index, (method, path, body)) in lines.iter().enumerate() {
            let before = minted(&one);
            let asked = Operation::read(method, path, body.as_bytes());
            let ordinal = Some(Ordinal(i64::try_from(index + 1).expect("few")));
            let answer = one.carry_out(ordinal, &asked).expect("a working disk");
            let total = Bank::new(one.connection()).total().expect("a working disk");
            prop_assert_eq!(total.total, minted(&one));
            prop_assert!(lowest_balance(&one) >= 0 && total.escrow >= 0);
            let opened = path == "/accounts" && answer.status() == 201;
            prop_assert!(opened || minted(&one) == before, "minted by {} {}", path, body);
            prop_assert!(answer.status() < 500);
            if index == restart_at {
                two.carry_out(ordinal, &asked).expect("a working disk");
                drop(two);
                two = Store::open(directories[1].path()).expect("our own database");
            }
            prop_assert_eq!(two.carry_out(ordinal, &asked).expect("a working disk"), answer);
        }
    }
}
