#include "store/remote/remote_store.h"

#include <utility>

#include "base/digest.h"
#include "base/guarded.h"
#include "base/try.h"
#include "format/entry_name.h"

namespace larder {
namespace {

std::string prefix_of(const std::string& name_space) {
  return name_space.empty() ? std::string() : name_space + "/";
}

void add(std::atomic<std::uint64_t>& counter, std::uint64_t amount = 1) noexcept {
  counter.fetch_add(amount, std::memory_order_relaxed);
}

}  // namespace

RemoteStoreImpl::RemoteStoreImpl(const RemoteStoreOptions& options, MakeTransport make,
                                 FileLayout layout)
    : options_(options),
      layout_(layout),
      prefix_(prefix_of(options.name_space)),
      keys_(derive_keys(options.keys, format::remote_entry_key_context,
                        std::as_bytes(std::span(options.name_space)))),
      file_(options.file_system == nullptr ? posix_file_system() : *options.file_system,
            options.state_directory,
            format::tier_state_name(options.url, options.name_space, options.attributes)),
      state_([this, make = std::move(make)] { return make_state(make); }) {}

std::string RemoteStoreImpl::name_of(const Fingerprint& fingerprint) const {
  return prefix_ + format::entry_path(layout_, fingerprint);
}

std::uint64_t RemoteStoreImpl::largest_object() const noexcept {
  return format::largest_file(layout_, options_.max_entry_bytes);
}

std::unexpected<Error> RemoteStoreImpl::not_asked() const {
  return std::unexpected(Error{.code = Errc::unreachable,
                               .message = options_.url +
                                          ": failed a moment ago and is not asked for a while; "
                                          "`larder doctor` looks for the cause"});
}

bool RemoteStoreImpl::is_of_other_key(const Found& examined) noexcept {
  return examined && *examined && (*examined)->entry.verdict == format::Verdict::other_key;
}

void RemoteStoreImpl::count(State& now, const Found& found) noexcept {
  if (found) {
    now.counters.count_lookup(*found ? &Metrics::hits : &Metrics::absent);
    if (*found) now.counters.add(&Metrics::hit_bytes, (*found)->entry.payload_bytes);
    return;
  }
  const auto outcome = lookup_outcome(found.error().code);
  now.counters.count_lookup(outcome);
  if (outcome != &Metrics::io_errors) return;
  add(found.error().code == Errc::timed_out ? now.tally.timeouts : now.tally.errors);
}

// What became of a look-up. An entry of another key is counted as absent, and beside it.
RemoteStoreImpl::Found RemoteStoreImpl::conclude(State& now, const Fingerprint& fingerprint,
                                                 Received received, std::uint64_t moment) const {
  auto examined = examine(now, fingerprint, std::move(received));
  if (is_of_other_key(examined)) add(now.tally.other_key);
  auto found = verify(fingerprint, std::move(examined));
  count(now, found);
  if (found && !*found) now.absences.remember(fingerprint, moment, Absences::Clock::now());
  return found;
}

// Counted.
RemoteStoreImpl::Found RemoteStoreImpl::look_up(State& now, const Fingerprint& fingerprint) {
  add(now.tally.lookups);
  if (now.absences.contains(fingerprint, Absences::Clock::now())) {
    now.counters.count_lookup(&Metrics::absent);
    return std::nullopt;
  }
  if (!admit(now)) {
    now.counters.count_lookup(&Metrics::skipped);
    return not_asked();
  }
  const std::uint64_t moment = now.absences.moment();
  auto received = guarded([&] { return receive(now, Attempts(options_.timeouts), fingerprint); });
  return conclude(now, fingerprint, std::move(received), moment);
}

RemoteStoreImpl::Received RemoteStoreImpl::receive(State& now, const Attempts& attempts,
                                                   const Fingerprint& fingerprint) {
  const std::string name = name_of(fingerprint);
  return ask(now, attempts, [&](auto& transport, const auto& patience) {
    return transport.get(name, largest_object(), patience);
  });
}

// The one way in for bytes of a server's, good or not.
RemoteStoreImpl::Found RemoteStoreImpl::examine(State& now, const Fingerprint& fingerprint,
                                                Received received) const {
  if (!received) return std::unexpected(std::move(received).error());
  if (!*received) return std::nullopt;
  ArtifactBuffer& bytes = **received;
  add(now.tally.bytes_in, bytes.bytes().size());
  const format::DecodedEntry entry =
      format::decode_entry(layout_, bytes.bytes(), fingerprint, keys_);
  return Fetched{std::move(bytes), entry};
}

RemoteStoreImpl::Found RemoteStoreImpl::verify(const Fingerprint& fingerprint, Found found) const {
  if (!found || !*found) return found;
  if (is_of_other_key(found)) return std::nullopt;
  if ((*found)->entry.verdict == format::Verdict::good) return found;
  return std::unexpected(Error{.code = Errc::corrupt,
                               .message = options_.url + ": what is there as " +
                                          name_of(fingerprint) +
                                          " is not what was put; put it again"});
}

Result<std::optional<EntryDetails>> RemoteStoreImpl::inspect(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<std::optional<EntryDetails>> {
    State& now = state_.get();
    if (!admit(now)) return not_asked();
    auto received = receive(now, Attempts(options_.timeouts), fingerprint);
    LARDER_TRY(auto found, verify(fingerprint, examine(now, fingerprint, std::move(received))));
    if (!found) return std::nullopt;
    const format::DecodedEntry& entry = found->entry;
    const auto bytes = found->bytes.bytes();
    if (!format::recipe_is_good(bytes, entry)) {
      return std::unexpected(Error{.code = Errc::corrupt,
                                   .message = options_.url + ": the recipe of " +
                                              name_of(fingerprint) + " is damaged; put it again"});
    }
    const auto payload = bytes.subspan(entry.payload_offset, entry.payload_bytes);
    return EntryDetails{.info = {.fingerprint = fingerprint,
                                 .payload_bytes = payload.size(),
                                 .disk_bytes = bytes.size()},
                        .key_id = entry.key_id,
                        .layout = layout_ == FileLayout::larder ? "larder 1" : "vyre",
                        .location = options_.url + "/" + name_of(fingerprint),
                        .codec = "none",
                        .recipe = std::string(entry.recipe),
                        .payload_digest = Fingerprint{blake3(payload)}};
  });
}

}  // namespace larder
