use std::fs;
use std::path::Path;

use whatsapp::webhook;

/// Samples kept beside the project, where there are any: `INDEX.tsv` says how many messages and statuses each
/// holds.
#[test]
fn every_sample_beside_the_project_holds_what_its_index_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/meta/webhook-samples");
    let Ok(index) = fs::read_to_string(folder.join("INDEX.tsv")) else {
        println!("skipped: {} is not there", folder.display());
        return;
    };

    let mut read = 0;
    for line in index.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, kind, messages, statuses, ..] = columns[..] else {
            panic!("index line {line:?}")
        };
        let raw = fs::read(folder.join(file)).unwrap();
        let delivery = webhook::parse(&raw).unwrap();
        let counts = (
            delivery.messages.len().to_string(),
            delivery.statuses.len().to_string(),
        );
        assert_eq!(counts, (messages.to_owned(), statuses.to_owned()), "{file}");
        assert_eq!(
            delivery.others.is_empty() && delivery.past.is_empty(),
            !kind.contains("other"),
            "{file}: {:?}",
            delivery.others
        );
        let is_known = delivery
            .others
            .iter()
            .all(|other| other.field != "messages" || other.reason.is_some());
        assert!(is_known, "{file}: {:?}", delivery.others);
        read += 1;
    }
    assert!(read > 0, "the index is empty");
    println!("{read} samples read");
}
