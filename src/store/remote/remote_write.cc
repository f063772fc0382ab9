// Putting into a remote tier, and removing from it.
#include <utility>

#include "base/guarded.h"
#include "base/same_bytes.h"
#include "base/try.h"
#include "format/entry_name.h"
#include "larder/recipe.h"
#include "store/remote/remote_store.h"

namespace larder {
namespace {

// Encoding is the same every time, so that equal bytes are an equal entry, and a good one.
bool is_equal(std::span<const std::byte> object, const format::EncodedEntry& entry) {
  for (const auto piece : entry.pieces()) {
    if (object.size() < piece.size()) return false;
    if (!same_bytes(object.first(piece.size()), piece)) return false;
    object = object.subspan(piece.size());
  }
  return object.empty();
}

}  // namespace

Result<void> RemoteStoreImpl::check_put(std::size_t payload_bytes, std::size_t recipe_bytes) const {
  if (recipe_bytes > Recipe::max_encoded_bytes) {
    return std::unexpected(
        Error{.code = Errc::invalid_argument,
              .message = "the recipe is over 4096 bytes; pass what Recipe::encode returns"});
  }
  if (options_.access == Access::read_only) {
    return std::unexpected(Error{.code = Errc::read_only,
                                 .message = options_.url + ": the tier is read-only; nothing was "
                                                           "put there"});
  }
  if (payload_bytes > options_.max_entry_bytes) {
    return std::unexpected(Error{.code = Errc::too_large,
                                 .message = options_.url + ": " + std::to_string(payload_bytes) +
                                            " bytes are over max-entry-size; raise it, or leave "
                                            "the artifact out"});
  }
  return {};
}

// What is there already is not sent again. Most puts come after a miss, and then the first question
// costs one round trip and ends it. Whatever keeps us from looking, silence apart, need not keep us
// from writing: the upload shows it.
Result<bool> RemoteStoreImpl::holds(State& now, const Attempts& attempts, const std::string& name,
                                    const format::EncodedEntry& entry) {
  const std::uint64_t wanted = entry.file_bytes();
  const auto hides = [](const Error& error) {
    return !may_pass(error.code) && error.code != Errc::out_of_memory;
  };
  auto size = ask<For::looking>(now, attempts, [&](auto& transport, const auto& patience) {
    return transport.size(name, patience);
  });
  if (!size && !hides(size.error())) return std::unexpected(std::move(size).error());
  if (!size || *size != wanted) return false;
  auto there = ask<For::looking>(now, attempts, [&](auto& transport, const auto& patience) {
    return transport.get(name, wanted, patience);
  });
  if (!there && !hides(there.error())) return std::unexpected(std::move(there).error());
  return there && *there && is_equal((*there)->bytes(), entry);
}

// What is there is found out though no uploads go out for a while: it needs none.
Result<RemoteStoreImpl::Uploaded> RemoteStoreImpl::upload(State& now, const Attempts& attempts,
                                                          const format::EncodedEntry& entry,
                                                          const Fingerprint& fingerprint) {
  const std::string name = name_of(fingerprint);
  LARDER_TRY(const bool is_there, holds(now, attempts, name, entry));
  if (is_there) {
    tell_alive(now);
    now.writes.begin_row();
    now.counters.add(&Metrics::puts_unchanged);
    return Uploaded::yes;
  }
  if (now.writes.admit(Breaker::Clock::now()) == Breaker::Admission::no) {
    tell_alive(now);
    return Uploaded::not_tried;
  }
  const auto pieces = entry.pieces();
  LARDER_CHECK_OK(ask<For::writing>(now, attempts, [&](auto& transport, const auto& patience) {
    return transport.put(name, pieces, patience);
  }));
  now.writes.succeeded();
  now.counters.add(&Metrics::puts);
  now.counters.add(&Metrics::put_bytes, entry.payload.size());
  now.tally.bytes_out.fetch_add(entry.file_bytes(), std::memory_order_relaxed);
  return Uploaded::yes;
}

Result<void> RemoteStoreImpl::put(const Fingerprint& fingerprint,
                                  std::span<const std::byte> payload, const PutOptions& options) {
  return send(fingerprint, payload, options, {});
}

Result<void> RemoteStoreImpl::send(const Fingerprint& fingerprint,
                                   std::span<const std::byte> payload, const PutOptions& options,
                                   const std::stop_token& stop) {
  return guarded([&]() -> Result<void> {
    State& now = state_.get();
    auto uploaded = try_upload(now, fingerprint, payload, options, stop);
    if (uploaded && *uploaded == Uploaded::not_tried) {
      now.tally.uploads_skipped.fetch_add(1, std::memory_order_relaxed);
      uploaded = not_asked();
    }
    if (uploaded) return {};
    now.counters.add(put_rejection(uploaded.error().code));
    return std::unexpected(std::move(uploaded).error());
  });
}

// Each failure in one counter. What may not be put at all has been no put.
Result<RemoteStoreImpl::Uploaded> RemoteStoreImpl::try_upload(State& now,
                                                              const Fingerprint& fingerprint,
                                                              std::span<const std::byte> payload,
                                                              const PutOptions& options,
                                                              const std::stop_token& stop) {
  const auto allowed = check_put(payload.size(), options.recipe.size());
  if (!allowed) {
    const Errc code = allowed.error().code;
    auto& count = code == Errc::too_large ? now.tally.uploads_skipped : now.tally.upload_failures;
    if (code != Errc::read_only) count.fetch_add(1, std::memory_order_relaxed);
    return std::unexpected(allowed.error());
  }
  if (!admit(now)) return Uploaded::not_tried;
  const auto entry =
      format::encode_entry(FileLayout::larder, fingerprint, payload, options.recipe, keys_.front());
  auto uploaded =
      guarded([&] { return upload(now, Attempts(options_.timeouts, stop), entry, fingerprint); });
  now.absences.forget(fingerprint);
  if (!uploaded) now.tally.upload_failures.fetch_add(1, std::memory_order_relaxed);
  return uploaded;
}

// For who has another key there is no such entry, and so nothing to remove. No server can be asked
// for whose it is: it is read whole. What is damaged is nobody's. Another machine may put something
// in its place before the removal comes, as it may after any look.
Result<bool> RemoteStoreImpl::may_remove(State& now, const Attempts& attempts,
                                         const Fingerprint& fingerprint) {
  const std::string name = name_of(fingerprint);
  auto there = ask<For::looking>(now, attempts, [&](auto& transport, const auto& patience) {
    return transport.get(name, largest_object(), patience);
  });
  // It is not followed by anything that would tell.
  if (!there && !may_pass(there.error().code)) {
    tell_breakers(now, attempts, 1, there.error().code, For::reading);
  }
  const auto found = examine(now, fingerprint, std::move(there));
  if (!found) return std::unexpected(found.error());
  const bool is_ours = *found && !is_of_other_key(found);
  if (!is_ours) tell_alive(now);
  return is_ours;
}

Result<bool> RemoteStoreImpl::remove_object(State& now, const Attempts& attempts,
                                            const Fingerprint& fingerprint) {
  const std::string name = name_of(fingerprint);
  return ask<For::writing>(now, attempts, [&](auto& transport, const auto& patience) {
    return transport.remove(name, patience);
  });
}

Result<bool> RemoteStoreImpl::remove(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<bool> {
    State& now = state_.get();
    LARDER_CHECK_OK(check_put(0, 0));
    if (!admit(now)) return not_asked();
    const Attempts attempts(options_.timeouts);
    LARDER_TRY(const bool may, may_remove(now, attempts, fingerprint));
    if (!may) return false;
    LARDER_TRY(const bool removed, remove_object(now, attempts, fingerprint));
    if (removed) now.counters.add(&Metrics::removals);
    return removed;
  });
}

}  // namespace larder
