//! Distributes the numbers of a run over function instances: the run calls its own route once for each share.
//!
//! The run has leased every number. It hands a share over together with the id of its holder. The instance that takes
//! the leases over sends: the called instance or, if the call fails, this one. Postgres gives each number to only one
//! of them.

use std::cmp::Reverse;
use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use super::sender_queue::LeasedNumber;
use crate::campaign::Campaign;
use crm_core::app::App;
use crm_core::background::Background;

/// The most instances that one run uses, including its own.
pub(super) const MAX_INSTANCES: usize = 10;
/// How long the other instance may take to confirm the takeover: a cold start and one call of the database. A lease is
/// three times as long.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Divides numbers among at most `most` instances, so that each has about the same messages per second. The first share
/// stays in this instance.
pub(super) fn shares(mut numbers: Vec<LeasedNumber>, most: usize) -> Vec<Vec<LeasedNumber>> {
    numbers.sort_by_key(|number| Reverse(number.messages_per_second));
    let mut shares: Vec<(u64, Vec<LeasedNumber>)> = Vec::new();
    for number in numbers {
        let pace = u64::from(number.messages_per_second);
        let lightest = if shares.len() < most {
            None
        } else {
            shares.iter_mut().min_by_key(|(pace, _)| *pace)
        };
        match lightest {
            Some((sum, share)) => {
                *sum += pace;
                share.push(number);
            }
            None => shares.push((pace, vec![number])),
        }
    }
    shares.into_iter().map(|(_, share)| share).collect()
}

/// The answer of the other instance.
#[derive(Deserialize)]
struct Answer {
    taken_over: Vec<Uuid>,
}

/// Asks another instance to send for these numbers, and returns those that it has taken over. None without an address
/// of this deployment, or when no answer comes in time: the instance may still have taken numbers, which their leases
/// show.
pub(super) async fn hand_over(app: &App, holder: Uuid, share: &[LeasedNumber]) -> Vec<Uuid> {
    let Some(address) = &app.config().own_address else {
        return Vec::new();
    };
    match ask(app, address, holder, share).await {
        Ok(answer) => answer.taken_over,
        Err(error) => {
            log::warn!(
                "{} numbers were not handed over: {}",
                share.len(),
                error.without_url()
            );
            Vec::new()
        }
    }
}

/// Starts a run of the sender after the answer if the campaign sends now. Cron starts one within a minute anyway; the
/// leases of the numbers keep runs apart.
pub(crate) fn send_soon(app: App, background: &Background, campaign: &Campaign) {
    if campaign.is_sending() {
        background.run(async move { call_for_a_run(&app).await });
    }
}

/// Starts a run in another instance, as cron does every minute, and does not wait for its end.
pub(crate) async fn call_for_a_run(app: &App) {
    let Some(address) = &app.config().own_address else {
        return;
    };
    let asked = run_at(app, address).send().await;
    match asked {
        Ok(answer) if !answer.status().is_success() => {
            log::warn!("no run was started: {}", answer.status());
        }
        // The run continues for as long as there is work.
        Err(error) if !error.is_timeout() => log::warn!("no run was started: {}", error.without_url()),
        _ => {}
    }
}

/// A request to the sender at one of our instances, as cron makes it.
fn run_at(app: &App, address: &str) -> reqwest::RequestBuilder {
    app.http()
        .get(format!("{address}/api/cron/process-broadcasts"))
        .bearer_auth(&app.config().cron_secret)
        .timeout(ANSWER_WITHIN)
}

async fn ask(
    app: &App,
    address: &str,
    holder: Uuid,
    share: &[LeasedNumber],
) -> Result<Answer, reqwest::Error> {
    let ids: Vec<String> = share.iter().map(|number| number.session_id.to_string()).collect();
    run_at(app, address)
        .query(&[("holder", holder.to_string()), ("session_ids", ids.join(","))])
        .send()
        .await?
        .error_for_status()?
        .json()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(paces: &[u32]) -> Vec<LeasedNumber> {
        paces
            .iter()
            .map(|&messages_per_second| LeasedNumber {
                session_id: Uuid::new_v4(),
                phone_number_id: "1".to_owned(),
                messages_per_second,
                probe: false,
            })
            .collect()
    }

    fn paces(shares: &[Vec<LeasedNumber>]) -> Vec<Vec<u32>> {
        shares
            .iter()
            .map(|share| share.iter().map(|number| number.messages_per_second).collect())
            .collect()
    }

    #[test]
    fn each_number_has_its_own_instance_while_there_are_enough() {
        assert!(shares(Vec::new(), 3).is_empty());
        assert_eq!(
            paces(&shares(numbers(&[10, 80, 10]), 3)),
            [vec![80], vec![10], vec![10]]
        );
    }

    #[test]
    fn more_numbers_share_instances_by_their_pace() {
        let divided = shares(numbers(&[10, 10, 1000, 10, 10]), 3);
        assert_eq!(paces(&divided), [vec![1000], vec![10, 10], vec![10, 10]]);
    }

    #[test]
    fn no_number_is_left_out() {
        let all = numbers(&[7; 57]);
        let mut divided: Vec<Uuid> = shares(all.clone(), MAX_INSTANCES)
            .into_iter()
            .flatten()
            .map(|number| number.session_id)
            .collect();
        let mut expected: Vec<Uuid> = all.into_iter().map(|number| number.session_id).collect();
        divided.sort();
        expected.sort();
        assert_eq!(divided, expected);
    }
}
