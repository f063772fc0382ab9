// What the benchmark asks of every store, Larder's own and other people's.
#ifndef LARDER_BENCH_STORE_H_
#define LARDER_BENCH_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "larder/fingerprint.h"

namespace larder::bench {

// A store, opened. For one thread; another_handle() makes one for the next. Whatever fails throws:
// a figure of a store that does not work is worth nothing.
class BenchStore {
 public:
  BenchStore() = default;
  BenchStore(const BenchStore&) = delete;
  BenchStore& operator=(const BenchStore&) = delete;
  virtual ~BenchStore() = default;

  // True when there was an entry. get: owned bytes, freed before it returns. view: no copy.
  // get_into: into the caller's memory. get_many: true when all were hits.
  virtual bool get(const Fingerprint& key) = 0;
  virtual bool view(const Fingerprint& key);
  virtual bool get_into(const Fingerprint& key, std::span<std::byte> into);
  virtual bool get_many(std::span<const Fingerprint> keys);

  virtual void put(const Fingerprint& key, std::span<const std::byte> payload) = 0;

  // Makes all puts durable.
  virtual void flush() = 0;

  // Does now what the store would do in time after many puts (compaction, checkpoints).
  virtual void settle() {}

  // Keeps what gets find in memory from now on, as far as the store can be told to.
  virtual void cache_everything() {}

  // For another thread, on the same opened store.
  virtual std::unique_ptr<BenchStore> another_handle();

  // From now on each hit's bytes are copied to `copy`; null ends it. For checks, not for timing.
  void copy_hits_to(std::vector<std::byte>* copy) { copy_ = copy; }

 protected:
  // Every hit passes here, so that no compiler takes the work for useless. Does not touch the
  // bytes: that would cost more than some of the hits.
  bool hit(std::span<const std::byte> bytes) {
    asm volatile("" : : "r"(bytes.data()), "r"(bytes.size()) : "memory");
    if (copy_ != nullptr) [[unlikely]] {
      copy_->assign(bytes.begin(), bytes.end());
    }
    return true;
  }

 private:
  std::vector<std::byte>* copy_ = nullptr;
};

struct OpenOptions {
  std::string directory;             // which exists, and is this store's own
  std::uint64_t capacity_bytes = 0;  // evict beyond it; 0: never
};

struct StoreKind {
  std::string_view name;
  std::string_view verified;  // on each hit
  bool has_view = false;
  bool has_get_into = false;
  bool has_get_many = false;
  bool on_disk = true;
  bool many_processes = false;
  bool evicts = false;
  std::unique_ptr<BenchStore> (*open)(const OpenOptions& options) = nullptr;
  std::string_view package = {};  // Debian's, where `open` is null
};

// In the order in which they are shown; the baseline first. Those that were not found when this
// program was built have a null `open`.
std::span<const StoreKind> store_kinds();

// Those that can be opened.
std::vector<const StoreKind*> built_stores();

}  // namespace larder::bench

#endif  // LARDER_BENCH_STORE_H_
