use std::fs;
use std::path::Path;

use whatsapp::webhook;

/// Checks the samples beside the project, if there are any. `INDEX.tsv` lists the number of messages and
/// statuses in each.
#[test]
fn samples_match_their_index() {
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
