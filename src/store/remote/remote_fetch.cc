// Handing out what was looked up, one entry or many.
#include <algorithm>
#include <utility>

#include "base/guarded.h"
#include "base/try.h"
#include "store/remote/remote_store.h"

namespace larder {
namespace {

// So many answers are held before they are verified; each may be as large as the tier allows.
constexpr std::size_t most_at_once = 64;

bool is_silence(const Result<std::optional<ArtifactBuffer>>& received) noexcept {
  return !received && may_pass(received.error().code);
}

std::vector<std::size_t> silent_ones(std::span<const Result<std::optional<ArtifactBuffer>>> all) {
  std::vector<std::size_t> silent;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (is_silence(all[i])) silent.push_back(i);
  }
  return silent;
}

std::vector<std::size_t> late_ones(std::span<const Result<std::optional<ArtifactBuffer>>> all) {
  auto late = silent_ones(all);
  std::erase_if(late, [&](std::size_t i) { return all[i].error().code != Errc::timed_out; });
  return late;
}

}  // namespace

Lookup RemoteStoreImpl::to_artifact(Found found) {
  if (!found) return std::unexpected(std::move(found).error());
  if (!*found) return std::nullopt;
  const format::DecodedEntry& entry = (*found)->entry;
  return std::move((*found)->bytes).share(entry.payload_offset, entry.payload_bytes);
}

Result<std::optional<RemoteEntry>> RemoteStoreImpl::to_entry(Found found) {
  if (!found) return std::unexpected(std::move(found).error());
  if (!*found) return std::nullopt;
  RemoteEntry fetched;
  const format::DecodedEntry& entry = (*found)->entry;
  if (format::recipe_is_good((*found)->bytes.bytes(), entry)) fetched.recipe = entry.recipe;
  fetched.payload = std::move((*found)->bytes).share(entry.payload_offset, entry.payload_bytes);
  return fetched;
}

Lookup RemoteStoreImpl::get(const Fingerprint& fingerprint) {
  return guarded([&] { return to_artifact(look_up(state_.get(), fingerprint)); });
}

Result<std::optional<RemoteEntry>> RemoteStoreImpl::fetch(const Fingerprint& fingerprint) {
  return guarded([&] { return to_entry(look_up(state_.get(), fingerprint)); });
}

void RemoteStoreImpl::count_lookups(State& now, std::uint64_t Metrics::* outcome,
                                    std::uint64_t number) noexcept {
  now.tally.lookups.fetch_add(number, std::memory_order_relaxed);
  now.counters.add(outcome, number);
}

// In one request-timeout. What may pass is asked for again, and only that; a round that brought
// something was none in vain.
std::vector<RemoteStoreImpl::Received> RemoteStoreImpl::receive_in_time(
    State& now, const Attempts& attempts, std::span<const std::string> names) {
  auto received = now.transport->get_many(names, largest_object(), attempts.patience());
  std::size_t asked = names.size();
  for (int tries = 1;; ++tries) {
    const auto failed = silent_ones(received);
    if (failed.size() < asked) tries = 1;
    if (failed.empty() || !attempts.again(received[failed.front()].error(), tries)) return received;
    now.tally.retries.fetch_add(1, std::memory_order_relaxed);
    std::vector<std::string> again;
    for (const std::size_t i : failed) again.push_back(names[i]);
    auto more = now.transport->get_many(again, largest_object(), attempts.patience());
    for (std::size_t k = 0; k < failed.size(); ++k) received[failed[k]] = std::move(more[k]);
    asked = failed.size();
  }
}

// A line that is too slow for all of them brings some in time. Those that were late are asked for
// in halves of what was too much, each with a time of its own, while each brings something.
void RemoteStoreImpl::ask_for_late(State& now, std::span<const std::string> names,
                                   std::vector<Received>& received) {
  std::size_t most = names.size();
  std::size_t asked = most;
  std::size_t silent = silent_ones(received).size();
  for (auto late = late_ones(received); !late.empty() && silent < asked;
       late = late_ones(received)) {
    if (silent != 0) most = std::max<std::size_t>(asked / 2, 1);
    late.resize(std::min(late.size(), most));
    std::vector<std::string> again;
    for (const std::size_t i : late) again.push_back(names[i]);
    now.tally.retries.fetch_add(1, std::memory_order_relaxed);
    auto more = receive_in_time(now, Attempts(options_.timeouts), again);
    asked = late.size();
    silent = silent_ones(more).size();
    for (std::size_t k = 0; k < asked; ++k) received[late[k]] = std::move(more[k]);
  }
}

// Who looks up has a compiler that would not take so long: he waits for one request-timeout.
std::vector<RemoteStoreImpl::Received> RemoteStoreImpl::receive_many(
    State& now, std::span<const std::string> names) {
  const Attempts first(options_.timeouts);
  auto received = receive_in_time(now, first, names);
  if (options_.for_transfers) ask_for_late(now, names, received);
  tell_of_many(now, first, received);
  return received;
}

// One entry that came, or is said not to be there, shows a server that answers: what became of the
// others is then their own. Where nothing came, silence weighs more than what else went wrong.
void RemoteStoreImpl::tell_of_many(State& now, const Attempts& attempts,
                                   std::span<const Received> received) const {
  const auto is_answer = [](const Received& each) {
    return each.has_value() || is_of_one_entry(each.error().code);
  };
  if (std::ranges::any_of(received, is_answer)) return tell_alive(now);
  auto worst = std::ranges::find_if(received, is_silence);
  if (worst == received.end()) worst = received.begin();
  tell_breakers(now, attempts, 1, worst->error().code, For::reading);
}

// Counted, each for itself, once its outcome is known: without memory some may have none. What is
// known to be absent is not asked for.
std::vector<RemoteStoreImpl::Found> RemoteStoreImpl::look_up_many(
    State& now, std::span<const Fingerprint> fingerprints) {
  std::vector<Found> all(fingerprints.size());  // absent, as long as nobody says otherwise
  std::vector<std::size_t> asked;
  const auto time = Absences::Clock::now();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!now.absences.contains(fingerprints[i], time)) asked.push_back(i);
  }
  count_lookups(now, &Metrics::absent, all.size() - asked.size());
  if (asked.empty()) return all;
  if (!admit(now)) {
    count_lookups(now, &Metrics::skipped, asked.size());
    for (const std::size_t i : asked) all[i] = not_asked();
    return all;
  }
  std::vector<std::string> names;
  for (const std::size_t i : asked) names.push_back(name_of(fingerprints[i]));
  const std::uint64_t moment = now.absences.moment();
  auto received = receive_many(now, names);
  for (std::size_t k = 0; k < asked.size(); ++k) {
    const Fingerprint& fingerprint = fingerprints[asked[k]];
    now.tally.lookups.fetch_add(1, std::memory_order_relaxed);
    all[asked[k]] = conclude(now, fingerprint, std::move(received[k]), moment);
  }
  return all;
}

template <class Answer, class Make>
Result<std::vector<Answer>> RemoteStoreImpl::in_batches(std::span<const Fingerprint> fingerprints,
                                                        const Make& make) {
  return guarded([&]() -> Result<std::vector<Answer>> {
    std::vector<Answer> answers;
    while (!fingerprints.empty()) {
      const auto batch = fingerprints.first(std::min(fingerprints.size(), most_at_once));
      for (Found& found : look_up_many(state_.get(), batch)) {
        answers.push_back(make(std::move(found)));
      }
      fingerprints = fingerprints.subspan(batch.size());
    }
    return answers;
  });
}

Result<std::vector<Lookup>> RemoteStoreImpl::get_many(std::span<const Fingerprint> fingerprints) {
  return in_batches<Lookup>(fingerprints, to_artifact);
}

Result<std::vector<Result<std::optional<RemoteEntry>>>> RemoteStoreImpl::fetch_many(
    std::span<const Fingerprint> fingerprints) {
  return in_batches<Result<std::optional<RemoteEntry>>>(fingerprints, to_entry);
}

}  // namespace larder
