use serde_json::{Value, json};
use supabase::{AccessToken, Condition, DatabaseError, Is, LikePattern, Nulls, Order, Page, Supabase};

use crate::server::{ANON_JWT, SERVICE_JWT, Scripted, Server};

fn token() -> AccessToken {
    AccessToken::parse("user.user.user").unwrap()
}

#[tokio::test]
async fn the_service_sends_an_older_key_twice_and_a_newer_one_only_as_apikey() {
    let server = Server::answering(Scripted::json(200, &json!([]))).await;

    let older = server.supabase();
    let _: Value = older.as_service().from("things").fetch().await.unwrap();
    let newer = server.supabase_with_keys("sb_publishable_x", "sb_secret_y");
    let _: Value = newer.as_service().from("things").fetch().await.unwrap();

    let [first, second] = &server.seen()[..] else {
        panic!("two requests")
    };
    assert_eq!(first.header("apikey"), Some(SERVICE_JWT));
    assert_eq!(
        first.header("authorization"),
        Some("Bearer service.service.service")
    );
    assert_eq!(second.header("apikey"), Some("sb_secret_y"));
    assert_eq!(second.header("authorization"), None);
}

#[tokio::test]
async fn a_user_sends_the_anon_key_and_their_own_token() {
    let server = Server::answering(Scripted::json(200, &json!([]))).await;

    let _: Value = server
        .supabase()
        .as_user(&token())
        .from("things")
        .fetch()
        .await
        .unwrap();
    let newer = server.supabase_with_keys("sb_publishable_x", "sb_secret_y");
    let _: Value = newer.as_user(&token()).rpc("who", &json!({})).await.unwrap();

    let [first, second] = &server.seen()[..] else {
        panic!("two requests")
    };
    assert_eq!(first.header("apikey"), Some(ANON_JWT));
    assert_eq!(first.header("authorization"), Some("Bearer user.user.user"));
    assert_eq!(second.header("apikey"), Some("sb_publishable_x"));
    assert_eq!(second.header("authorization"), Some("Bearer user.user.user"));
}

#[tokio::test]
async fn a_function_is_called_with_json_and_its_result_read() {
    let server = Server::answering(Scripted::json(200, &json!({"n": 3}))).await;

    let result: Value = server
        .supabase()
        .as_service()
        .rpc("store_it", &json!({"payload": [1, 2]}))
        .await
        .unwrap();

    assert_eq!(result, json!({"n": 3}));
    let request = server.only_request();
    assert_eq!(
        (request.method.as_str(), request.uri.path()),
        ("POST", "/rest/v1/rpc/store_it")
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.body, r#"{"payload":[1,2]}"#);
}

#[tokio::test]
async fn serialised_arguments_are_sent_as_they_are_and_no_result_is_a_result() {
    let server = Server::answering(Scripted {
        status: 204,
        ..Scripted::default()
    })
    .await;

    let body: &'static [u8] = br#"{ "payload" : 1.50 }"#;
    let () = server
        .supabase()
        .as_service()
        .rpc_body("store_it", body)
        .await
        .unwrap();

    let request = server.only_request();
    assert_eq!(request.body, r#"{ "payload" : 1.50 }"#);
    assert_eq!(request.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_project_below_a_path_or_with_a_slash_at_the_end_is_found() {
    let server = Server::answering(Scripted::json(200, &json!([]))).await;
    for base in ["/", "/below", "/below/"] {
        let config = supabase::Config {
            url: format!("{}{base}", server.url),
            anon_key: ANON_JWT.into(),
            service_role_key: SERVICE_JWT.into(),
        };
        let supabase = Supabase::new(&config, crate::server::http_client()).unwrap();
        let _: Value = supabase.as_service().from("things").fetch().await.unwrap();
    }
    let paths: Vec<String> = server
        .seen()
        .iter()
        .map(|seen| seen.uri.path().to_owned())
        .collect();
    assert_eq!(
        paths,
        [
            "/rest/v1/things",
            "/below/rest/v1/things",
            "/below/rest/v1/things"
        ]
    );
}

#[tokio::test]
async fn a_read_is_written_as_postgrest_expects_it() {
    let server = Server::answering(Scripted::json(200, &json!([]))).await;
    let id = uuid::Uuid::from_u128(7);

    let _: Value = server
        .supabase()
        .as_service()
        .from("contacts")
        .select("id,name,labels(name)")
        .eq("tenant_id", id)
        .neq("name", "a.b,c(d)&x=y")
        .gte("age", 18)
        .lt(
            "seen_at",
            chrono::DateTime::from_timestamp(0, 250_000_000).unwrap(),
        )
        .is("deleted_at", Is::Null)
        .is("name", Is::NotNull)
        .in_("wa_id", ["62811", "a\"b\\c,d)"])
        .ilike("name", LikePattern::containing("50%_*\\"))
        .any_of([
            Condition::lt("created_at", "x,y)"),
            Condition::all([Condition::eq("created_at", "x"), Condition::in_("id", [1, 2])]),
            Condition::is("closed", Is::True),
        ])
        .order_nulls("last_message_at", Order::Descending, Nulls::Last)
        .order("id", Order::Ascending)
        .limit(20)
        .offset(40)
        .fetch()
        .await
        .unwrap();

    let request = server.only_request();
    assert_eq!(request.method, "GET");
    assert_eq!(request.header("prefer"), None);
    let expected = [
        ("select", "id,name,labels(name)"),
        ("tenant_id", "eq.00000000-0000-0000-0000-000000000007"),
        ("name", "neq.a.b,c(d)&x=y"),
        ("age", "gte.18"),
        ("seen_at", "lt.1970-01-01T00:00:00.250000Z"),
        ("deleted_at", "is.null"),
        ("name", "not.is.null"),
        ("wa_id", r#"in.("62811","a\"b\\c,d)")"#),
        ("name", r"ilike.%50\%\__\\%"),
        (
            "or",
            r#"(created_at.lt."x,y)",and(created_at.eq."x",id.in.("1","2")),closed.is.true)"#,
        ),
        ("limit", "20"),
        ("offset", "40"),
        ("order", "last_message_at.desc.nullslast,id.asc"),
    ];
    let query = request.query();
    let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(query, expected);
}

#[tokio::test]
async fn a_page_knows_its_total_and_one_beyond_the_last_is_empty() {
    let page = Scripted {
        status: 206,
        body: "[1,2]".into(),
        ..Scripted::default()
    };
    let server = Server::answering(page.with("content-range", "0-1/57")).await;
    let beyond = Scripted::json(416, &json!({"code": "PGRST103", "message": "out of range"}));
    server.then(beyond.with("content-range", "*/57"));

    let supabase = server.supabase();
    let first: Page<i32> = supabase
        .as_service()
        .from("n")
        .limit(2)
        .fetch_page()
        .await
        .unwrap();
    let second: Page<i32> = supabase
        .as_service()
        .from("n")
        .offset(90)
        .fetch_page()
        .await
        .unwrap();

    assert_eq!(
        first,
        Page {
            rows: vec![1, 2],
            total: 57
        }
    );
    assert_eq!(
        second,
        Page {
            rows: vec![],
            total: 57
        }
    );
    assert!(
        server
            .seen()
            .iter()
            .all(|request| request.header("prefer") == Some("count=exact"))
    );
}

#[tokio::test]
async fn a_count_reads_no_rows() {
    let answer = Scripted {
        status: 200,
        ..Scripted::default()
    };
    let server = Server::answering(answer.with("content-range", "*/12")).await;
    assert_eq!(
        server
            .supabase()
            .as_service()
            .from("n")
            .eq("a", 1)
            .count_exact()
            .await
            .unwrap(),
        12
    );
    assert_eq!(server.only_request().method, "HEAD");
}

#[tokio::test]
async fn an_optional_row_may_be_absent_and_a_needed_one_may_not() {
    let server = Server::answering(Scripted::json(200, &json!([]))).await;
    let supabase = server.supabase();
    let none: Option<Value> = supabase
        .as_service()
        .from("n")
        .eq("id", 1)
        .fetch_optional()
        .await
        .unwrap();
    assert_eq!(none, None);
    let missing: Result<Value, _> = supabase.as_service().from("n").eq("id", 1).fetch_one().await;
    assert!(matches!(missing, Err(DatabaseError::NotFound(_))), "{missing:?}");

    server.answers_from_now_on(Scripted::json(200, &json!([{"id": 1}])));
    let row: Value = supabase
        .as_service()
        .from("n")
        .eq("id", 1)
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(row, json!({"id": 1}));
    assert!(
        server
            .seen()
            .iter()
            .all(|request| request.uri.query() == Some("id=eq.1&limit=1"))
    );
}

#[tokio::test]
async fn writes_say_what_they_want_back() {
    let server = Server::answering(Scripted::json(201, &json!([{"id": 1}]))).await;
    let supabase = server.supabase();
    let service = supabase.as_service();
    let row = json!({"name": "x"});

    let _: Value = service
        .from("n")
        .insert(&row)
        .select("id")
        .fetch_one()
        .await
        .unwrap();
    service.from("n").insert(&[&row, &row]).execute().await.unwrap();
    service
        .from("n")
        .upsert(&row, "tenant_id,name")
        .execute()
        .await
        .unwrap();
    service
        .from("n")
        .insert_missing(&row, "name")
        .execute()
        .await
        .unwrap();
    let _: Vec<Value> = service.from("n").update(&row).eq("id", 1).fetch().await.unwrap();
    service.from("n").delete().eq("id", 1).execute().await.unwrap();

    let seen: Vec<String> = server
        .seen()
        .iter()
        .map(|r| {
            format!(
                "{} {} {}",
                r.method,
                r.uri.query().unwrap_or("-"),
                r.header("prefer").unwrap()
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            "POST select=id return=representation",
            "POST - return=minimal",
            "POST on_conflict=tenant_id%2Cname resolution=merge-duplicates,return=minimal",
            "POST on_conflict=name resolution=ignore-duplicates,return=minimal",
            "PATCH id=eq.1 return=representation",
            "DELETE id=eq.1 return=minimal",
        ]
    );
    assert_eq!(server.seen()[0].body, r#"{"name":"x"}"#);
    assert_eq!(server.seen()[1].body, r#"[{"name":"x"},{"name":"x"}]"#);
    assert_eq!(server.seen()[5].body, "");
}

#[tokio::test]
async fn a_write_to_every_row_is_refused_before_it_is_sent() {
    let server = Server::answering(Scripted::json(200, &json!([]))).await;
    let supabase = server.supabase();
    let update = supabase
        .as_service()
        .from("n")
        .update(&json!({"a": 1}))
        .execute()
        .await;
    let delete = supabase.as_service().from("n").delete().execute().await;
    assert!(matches!(update, Err(DatabaseError::Unexpected(_))));
    assert!(matches!(delete, Err(DatabaseError::Unexpected(_))));
    assert!(server.seen().is_empty());
}
