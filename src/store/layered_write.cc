// Writing to the tiers of a layered store, and the durability boundary over all of them.
#include <algorithm>
#include <utility>

#include "base/guarded.h"
#include "larder/recipe.h"
#include "store/layered_store.h"

namespace larder {
namespace {

// Counts itself as long as it lives.
class Running {
 public:
  explicit Running(std::atomic<std::uint64_t>& count) noexcept : count_(count) { ++count_; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() { --count_; }

 private:
  std::atomic<std::uint64_t>& count_;
};

Error not_durable(std::vector<Fingerprint> lost, const std::optional<Error>& cause) {
  std::ranges::sort(lost);
  const auto repeated = std::ranges::unique(lost);
  lost.erase(repeated.begin(), repeated.end());
  std::string message = std::to_string(lost.size()) + (lost.size() == 1 ? " entry" : " entries") +
                        " could not be made durable and left the store; put again";
  if (cause) message += " (" + cause->message + ")";
  return {.code = Errc::not_durable,
          .os_error = cause ? cause->os_error : 0,
          .message = std::move(message),
          .fingerprints = std::move(lost)};
}

}  // namespace

LayeredStore::~LayeredStore() {
  if (state_.forked()) return;  // what is queued is the parent's
  for (const auto& layer : layers()) {
    // Nobody is left to be told about a failure; who wants to know flushes before.
    (void)guarded([&]() -> Result<void> {
      layer->drain(stripes());
      return {};
    });
  }
}

// What the tiers said to a put.
struct LayeredStore::Tally {
  bool taken = false;
  std::optional<Error> failure;        // of a tier that should have taken it
  std::optional<Error> too_large;      // of a tier that never could
  std::vector<std::size_t> too_small;  // those tiers

  void add(const Layer& layer, std::size_t index, Result<void> written) {
    if (written || layer.queues()) {  // what a queue loses is told by flush
      taken = true;
    } else if (written.error().code == Errc::too_large) {
      too_small.push_back(index);
      too_large = std::move(written).error();
    } else if (!failure) {
      failure = std::move(written).error();
    }
  }
};

Result<void> LayeredStore::put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                               const PutOptions& options) {
  return guarded([&]() -> Result<void> {
    // Every tier would refuse it, and one behind a queue too late.
    if (options.recipe.size() > Recipe::max_encoded_bytes) {
      return std::unexpected(Error{.code = Errc::invalid_argument,
                                   .message = fingerprint.hex() +
                                              ": the recipe is over 4096 bytes; pass what "
                                              "Recipe::encode returns"});
    }
    const StripeWrite writing(stripes(), fingerprint);
    return put_into_tiers(fingerprint, payload, options);
  });
}

// A tier that refuses does not keep the others from having it. One for which the payload is too
// large is passed over when another one took it: a small fast tier need not hold everything.
Result<void> LayeredStore::put_into_tiers(const Fingerprint& fingerprint,
                                          std::span<const std::byte> payload,
                                          const PutOptions& options) {
  Tally tally;
  for (std::size_t i = 0; i < layers().size(); ++i) {
    Layer& layer = *layers()[i];
    if (!layer.writable()) continue;
    tally.add(layer, i, layer.write(fingerprint, payload, options, Origin::put));
  }
  if (tally.failure) return std::unexpected(*std::move(tally.failure));
  if (tally.taken) {
    // An older payload that did fit would hide the new one.
    for (const std::size_t i : tally.too_small) (void)layers()[i]->remove(fingerprint);
    return {};
  }
  if (tally.too_large) return std::unexpected(*std::move(tally.too_large));
  state().rejected_read_only.fetch_add(1, std::memory_order_relaxed);
  return std::unexpected(Error{.code = Errc::read_only,
                               .message = "no tier of the store may be written; the artifact was "
                                          "not kept: add a tier that may"});
}

Result<bool> LayeredStore::remove(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<bool> {
    const StripeWrite writing(stripes(), fingerprint);
    bool removed = false;
    std::optional<Error> failure;
    for (const auto& layer : layers()) {
      if (!layer->writable()) continue;
      auto done = layer->remove(fingerprint);
      if (done) {
        removed = removed || *done;
      } else if (!failure) {
        failure = std::move(done).error();
      }
    }
    if (failure) return std::unexpected(*std::move(failure));
    return removed;
  });
}

Result<void> LayeredStore::flush() {
  return guarded([&]() -> Result<void> {
    const Running running(state().running_flushes);
    std::vector<Fingerprint> lost;
    std::optional<Error> failure;
    for (std::size_t i = 0; i < layers().size(); ++i) {
      if (!layers()[i]->writable()) continue;
      const std::vector<Fingerprint> lost_here = flush_layer(i, failure);
      take_out_above(i, lost_here);
      lost.insert(lost.end(), lost_here.begin(), lost_here.end());
    }
    if (!lost.empty()) return std::unexpected(not_durable(std::move(lost), failure));
    if (failure) return std::unexpected(*std::move(failure));
    return {};
  });
}

std::vector<Fingerprint> LayeredStore::flush_layer(std::size_t index,
                                                   std::optional<Error>& failure) {
  Layer& layer = *layers()[index];
  layer.drain(stripes());
  std::vector<Fingerprint> lost = layer.lost();
  auto flushed = layer.store().flush();
  if (!flushed) {
    const auto& named = flushed.error().fingerprints;
    lost.insert(lost.end(), named.begin(), named.end());
    if (!failure) failure = std::move(flushed).error();
  }
  return lost;
}

void LayeredStore::take_out_above(std::size_t index, const std::vector<Fingerprint>& fingerprints) {
  for (const Fingerprint& fingerprint : fingerprints) {
    const StripeWrite writing(stripes(), fingerprint);
    for (std::size_t i = 0; i < index; ++i) {
      if (layers()[i]->writable()) (void)layers()[i]->remove(fingerprint);
    }
  }
}

}  // namespace larder
