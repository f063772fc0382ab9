#include "store/layer.h"

#include <utility>

#include "base/digest.h"
#include "base/try.h"
#include "os/wall_clock.h"
#include "store/memory_store.h"

namespace larder {

Layer::Layer(const Tier& tier, std::uint64_t behind_capacity_bytes)
    : tier_(tier),
      in_memory_(dynamic_cast<const MemoryStore*>(tier_.store.get()) != nullptr),
      queue_(behind_capacity_bytes) {}

Result<std::optional<Artifact>> Layer::get(const Fingerprint& fingerprint) {
  if (queues()) {
    if (auto queued = queue_.find(fingerprint)) return std::move(queued->payload);
  }
  return store().get(fingerprint);
}

Result<std::vector<Lookup>> Layer::get_many(std::span<const Fingerprint> fingerprints) {
  if (!queues()) return store().get_many(fingerprints);
  std::vector<Lookup> answers;
  answers.reserve(fingerprints.size());
  for (const Fingerprint& fingerprint : fingerprints) answers.push_back(get(fingerprint));
  return answers;
}

Result<bool> Layer::contains(const Fingerprint& fingerprint) {
  if (queues() && queue_.find(fingerprint)) return true;
  return store().contains(fingerprint);
}

Result<std::optional<EntryDetails>> Layer::inspect(const Fingerprint& fingerprint) {
  const auto queued = queues() ? queue_.find(fingerprint) : std::nullopt;
  if (!queued) return store().inspect(fingerprint);
  return EntryDetails{.info = {.fingerprint = fingerprint,
                               .payload_bytes = queued->payload.size(),
                               .disk_bytes = 0,
                               .last_used_s = wall_clock_s()},
                      .layout = "memory",
                      .location = {},
                      .codec = "none",
                      .recipe = queued->recipe,
                      .payload_digest = Fingerprint{blake3(queued->payload.bytes())}};
}

std::string Layer::recipe_of(const Fingerprint& fingerprint) {
  auto details = inspect(fingerprint);
  if (!details || !*details) return {};
  return std::move((*details)->recipe);
}

Result<void> Layer::write(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                          const PutOptions& options, Origin origin) {
  if (!queues()) return store().put(fingerprint, payload, options);
  auto copy = Artifact::copy_of(payload);
  if (copy && queue_.push(fingerprint, {*std::move(copy), std::string(options.recipe), origin})) {
    set_put_again(fingerprint);
    return {};
  }
  queue_.drop(fingerprint);
  return write_now(fingerprint, payload, options, origin);
}

Result<void> Layer::write_now(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                              const PutOptions& options, Origin origin) {
  auto written = store().put(fingerprint, payload, options);
  if (written) {
    set_put_again(fingerprint);
  } else if (origin == Origin::put) {
    set_lost(fingerprint);
    // The put was said to be done: what stood here before it must not come back.
    (void)store().remove(fingerprint);
  }
  return written;
}

Result<bool> Layer::remove(const Fingerprint& fingerprint) {
  const bool was_queued = queue_.drop(fingerprint);
  LARDER_TRY(const bool was_stored, store().remove(fingerprint));
  return was_queued || was_stored;
}

void Layer::drain(Stripes& stripes) {
  const std::uint64_t last = queue_.last_sequence();
  while (const auto fingerprint = queue_.oldest(last)) {
    const StripeWrite writing(stripes, *fingerprint);
    const auto entry = queue_.find(*fingerprint);
    if (!entry) continue;  // another flush wrote it, or it was removed
    (void)write_now(*fingerprint, entry->payload.bytes(), {.recipe = entry->recipe}, entry->origin);
    queue_.drop(*fingerprint);
  }
}

Result<void> Layer::visit(const EntryVisitor& visitor) {
  for (const auto& [fingerprint, bytes] : queue_.list()) {
    const EntryInfo info{.fingerprint = fingerprint,
                         .payload_bytes = bytes,
                         .disk_bytes = 0,
                         .last_used_s = wall_clock_s()};
    if (visitor(info) == Visit::stop) return {};
  }
  return store().visit(visitor);
}

Result<PruneReport> Layer::clear(Stripes& stripes) {
  PruneReport dropped;
  for (const auto& [fingerprint, bytes] : queue_.list()) {
    if (!queue_.drop(fingerprint)) continue;
    ++dropped.evicted_entries;
    dropped.evicted_bytes += bytes;
  }
  if (queues()) wait_for_writes(stripes);  // a flush may be about to write what it found queued
  LARDER_TRY(PruneReport report, store().clear());
  report.evicted_entries += dropped.evicted_entries;
  report.evicted_bytes += dropped.evicted_bytes;
  return report;
}

std::vector<Fingerprint> Layer::lost() const {
  const std::scoped_lock lock(lost_mutex_);
  return {lost_.begin(), lost_.end()};
}

Durability Layer::durability() const {
  Durability durability = store().durability();
  durability.pending += queue_.size();
  const std::scoped_lock lock(lost_mutex_);
  durability.lost += lost_.size();
  durability.durable = durability.durable && queue_.size() == 0 && lost_.empty();
  return durability;
}

void Layer::set_lost(const Fingerprint& fingerprint) {
  const std::scoped_lock lock(lost_mutex_);
  lost_.insert(fingerprint);
}

void Layer::set_put_again(const Fingerprint& fingerprint) {
  const std::scoped_lock lock(lost_mutex_);
  lost_.erase(fingerprint);
}

}  // namespace larder
