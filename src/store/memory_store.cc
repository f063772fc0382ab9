// Artifacts in memory.
//
// Concurrency: a fingerprint belongs to one shard, and a shard is one mutex, held for a table
// look-up and a few pointers: bytes are copied, compared, hashed and freed outside. No two mutexes
// are held at once, and none while a listener or visitor runs. Entries are immutable; a replaced or
// evicted one lives on as long as somebody has its artifact.
//
// Bounds: all shards draw on one budget (MemoryBudget), so that neither limit is ever exceeded and
// one payload may fill the whole store. It counts payloads; recipes (4 KiB at most) and some 200
// bytes of bookkeeping an entry come on top, which is what capacity_entries is for.
//
// Not verified on a hit: the bytes are private memory that nobody writes after the put. What a
// digest could find there, faulty RAM or a stray write, can as well strike after the verification.
//
// Fork: a child starts with an empty store. What the parent had is left as it stands, locks and
// all.
//
// Time: SIEVE keeps one bit instead of the time of the last use. Ages count from the put.
#include "store/memory_store.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/digest.h"
#include "base/guarded.h"
#include "base/same_bytes.h"
#include "base/try.h"
#include "larder/recipe.h"
#include "os/wall_clock.h"
#include "store/counters.h"

namespace larder {
namespace {

// Threads meet at a shard's mutex for some 50 ns a look-up; 64 shards keep 16 busy threads apart.
// A small store has fewer, down to one, so that SIEVE sees its entries in one queue.
constexpr std::uint64_t max_shards = 64;
constexpr std::uint64_t min_entries_per_shard = 1024;
constexpr std::uint64_t min_bytes_per_shard = 1u << 20;

std::size_t shard_count(const MemoryStoreOptions& options) noexcept {
  const std::uint64_t wanted = std::min(options.capacity_entries / min_entries_per_shard,
                                        options.capacity_bytes / min_bytes_per_shard);
  return std::bit_floor(std::clamp<std::uint64_t>(wanted, 1, max_shards));
}

EntryInfo describe_entry(const Fingerprint& fingerprint, std::uint64_t bytes,
                         std::int64_t put_at_ns) {
  return {.fingerprint = fingerprint,
          .payload_bytes = bytes,
          .disk_bytes = 0,
          .last_used_s = wall_clock_s() - static_cast<std::int64_t>(memory_age_s(put_at_ns))};
}

Result<MemoryEntry> copy_entry(std::span<const std::byte> payload, std::string_view recipe) {
  LARDER_TRY(ArtifactBuffer buffer, ArtifactBuffer::allocate(payload.size() + recipe.size()));
  std::byte* to = buffer.bytes().data();
  if (!payload.empty()) std::memcpy(to, payload.data(), payload.size());
  if (!recipe.empty()) std::memcpy(to + payload.size(), recipe.data(), recipe.size());
  return MemoryEntry{.payload = std::move(buffer).share(0, payload.size()),
                     .recipe_bytes = recipe.size(),
                     .put_at_ns = memory_clock_ns()};
}

}  // namespace

MemoryStore::State::State(const SecretHash& hash, const MemoryStoreOptions& options)
    : budget(options.capacity_bytes, options.capacity_entries) {
  const std::size_t count = shard_count(options);
  shards.reserve(count);
  while (shards.size() < count) shards.push_back(std::make_unique<SieveShard>(hash, budget));
}

MemoryStore::MemoryStore(const MemoryStoreOptions& options)
    : hash_(SecretHash::make()),
      options_{.capacity_bytes = options.capacity_bytes,
               .capacity_entries = options.capacity_entries,
               .on_evict = shielded(options.on_evict)},
      state_([this] { return std::make_unique<State>(hash_, options_); }) {}

Result<std::optional<Artifact>> MemoryStore::get(const Fingerprint& fingerprint) {
  return guarded(
      [&]() -> Result<std::optional<Artifact>> { return shard_of(fingerprint).get(fingerprint); });
}

Result<void> MemoryStore::put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                              const PutOptions& options) {
  return guarded([&]() -> Result<void> {
    SieveShard& shard = shard_of(fingerprint);
    auto done = guarded([&] { return put_into(shard, fingerprint, payload, options.recipe); });
    if (!done) shard.count(put_rejection(done.error().code));
    return done;
  });
}

Result<void> MemoryStore::put_into(SieveShard& shard, const Fingerprint& fingerprint,
                                   std::span<const std::byte> payload, std::string_view recipe) {
  LARDER_CHECK_OK(check_size(payload.size(), recipe.size()));
  const auto held = shard.peek(fingerprint, Touch::yes);
  if (held && same_bytes(held->payload.bytes(), payload)) {
    shard.count(&Metrics::puts_unchanged);
    return {};
  }
  LARDER_TRY(MemoryEntry entry, copy_entry(payload, recipe));
  insert(fingerprint, entry);
  return {};
}

Result<void> MemoryStore::check_size(std::size_t payload_bytes, std::size_t recipe_bytes) const {
  if (payload_bytes > options_.capacity_bytes || options_.capacity_entries == 0) {
    return std::unexpected(
        Error{.code = Errc::too_large,
              .message = "a payload of " + std::to_string(payload_bytes) +
                         " bytes is over the capacity of the memory store (" +
                         std::to_string(options_.capacity_bytes) + " bytes, " +
                         std::to_string(options_.capacity_entries) +
                         " entries); use it without storing it, or raise the capacity"});
  }
  if (recipe_bytes > Recipe::max_encoded_bytes) {
    return std::unexpected(Error{
        .code = Errc::invalid_argument,
        .message = "a recipe of " + std::to_string(recipe_bytes) + " bytes is over the limit of " +
                   std::to_string(Recipe::max_encoded_bytes) + "; pass what Recipe::encode gave"});
  }
  return {};
}

// Makes room by one entry from each shard in turn, its own first: no shard pays alone for a payload
// that is large, and the usual put touches no other shard.
void MemoryStore::insert(const Fingerprint& fingerprint, MemoryEntry& entry) {
  const auto& shards = state().shards;
  const std::size_t own = shard_index(state(), hash_(fingerprint));
  for (std::size_t turn = 0;; ++turn) {
    const auto lacking = shards[own]->put(fingerprint, entry);
    if (!lacking) return;
    const auto victim = shards[(own + turn) % shards.size()]->evict_one(fingerprint);
    if (victim) report(*victim, *lacking);
  }
}

void MemoryStore::report(const SieveShard::Departed& departed, EvictionReason reason) const {
  if (!options_.on_evict) return;
  options_.on_evict({.fingerprint = departed.fingerprint,
                     .reason = reason,
                     .bytes = departed.entry.payload.size(),
                     .age_s = memory_age_s(departed.entry.put_at_ns)});
}

Result<bool> MemoryStore::remove(const Fingerprint& fingerprint) {
  return guarded(
      [&]() -> Result<bool> { return shard_of(fingerprint).remove(fingerprint).has_value(); });
}

Result<std::optional<EntryDetails>> MemoryStore::inspect(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<std::optional<EntryDetails>> {
    const auto held = shard_of(fingerprint).peek(fingerprint, Touch::no);
    if (!held) return std::nullopt;
    return EntryDetails{
        .info = describe_entry(fingerprint, held->payload.size(), held->put_at_ns),
        .layout = "memory",
        .location = {},
        .codec = "none",
        .recipe = std::string(held->recipe()),
        .payload_digest = Fingerprint{blake3(held->payload.bytes())},
    };
  });
}

Result<void> MemoryStore::flush() {
  return guarded([&]() -> Result<void> {
    state().flushes.fetch_add(1, std::memory_order_relaxed);
    return {};
  });
}

Result<void> MemoryStore::visit(const EntryVisitor& visitor) {
  return guarded([&]() -> Result<void> {
    for (const MemoryListing& entry : list()) {
      const auto info = describe_entry(entry.fingerprint, entry.bytes, entry.put_at_ns);
      if (visitor(info) == Visit::stop) break;
    }
    return {};
  });
}

// What is here was whole when it came, and nobody else can write it.
Result<void> MemoryStore::visit_strays(const StrayVisitor&, Repair) { return {}; }

std::vector<MemoryListing> MemoryStore::list() const {
  std::vector<MemoryListing> entries;
  entries.reserve(state().budget.entries());
  for (const auto& shard : state().shards) shard->list(entries);
  return entries;
}

Result<std::unique_ptr<Lease>> MemoryStore::try_lease(const Fingerprint& fingerprint) {
  return guarded(
      [&]() -> Result<std::unique_ptr<Lease>> { return state().leases.try_lease(fingerprint); });
}

Result<void> MemoryStore::add_statistics(const Metrics& delta) {
  return guarded([&]() -> Result<void> {
    state().statistics.add(delta);
    return {};
  });
}

Result<Metrics> MemoryStore::statistics() {
  return guarded([&]() -> Result<Metrics> { return state().statistics.get(); });
}

Result<void> MemoryStore::reset_statistics() {
  return guarded([&]() -> Result<void> {
    state().statistics.reset();
    return {};
  });
}

Metrics MemoryStore::metrics() const {
  return guarded_or({}, [&] {
    const State& now = state();
    Metrics sum{.flushes = now.flushes.load(std::memory_order_relaxed)};
    for (const auto& shard : now.shards) sum += shard->metrics();
    sum.bytes = now.budget.bytes();
    sum.entries = now.budget.entries();
    return sum;
  });
}

Result<std::shared_ptr<Store>> make_memory_store(const MemoryStoreOptions& options) {
  return guarded(
      [&]() -> Result<std::shared_ptr<Store>> { return std::make_shared<MemoryStore>(options); });
}

}  // namespace larder
