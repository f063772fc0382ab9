// Larder's own stores, through its public headers.
#include <utility>

#include "larder/pack_store.h"
#include "larder/store.h"
#include "open.h"

namespace larder::bench {
namespace {

constexpr std::uint64_t no_limit = 1ull << 40;

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

class LarderStore : public BenchStore {
 public:
  explicit LarderStore(std::shared_ptr<Store> store) : store_(std::move(store)) {}

  bool get(const Fingerprint& key) override {
    const auto found = store_->get(key);
    if (!found) return value_of(found), false;
    return *found && hit((*found)->bytes());
  }

  bool get_into(const Fingerprint& key, std::span<std::byte> into) override {
    const auto found = store_->get_into(key, into);
    if (!found) return value_of(found), false;
    return *found && hit(into.first(**found));
  }

  bool get_many(std::span<const Fingerprint> keys) override {
    const auto found = store_->get_many(keys);
    if (!found) return false;
    bool all = true;
    for (const auto& one : *found) all = one && *one && hit((*one)->bytes()) && all;
    return all;
  }

  void put(const Fingerprint& key, std::span<const std::byte> payload) override {
    value_of(store_->put(key, payload));
  }

  void flush() override { value_of(store_->flush()); }

  std::unique_ptr<BenchStore> another_handle() override {
    return std::make_unique<LarderStore>(store_);
  }

 private:
  std::shared_ptr<Store> store_;
};

class PackBenchStore final : public LarderStore {
 public:
  explicit PackBenchStore(std::shared_ptr<PackStore> store)
      : LarderStore(store), store_(std::move(store)) {}

  bool view(const Fingerprint& key) override {
    const auto found = store_->view(key);
    if (!found) return value_of(found), false;
    return *found && hit((*found)->bytes());
  }

  void settle() override { value_of(store_->maintain()); }

  std::unique_ptr<BenchStore> another_handle() override {
    return std::make_unique<PackBenchStore>(store_);
  }

 private:
  std::shared_ptr<PackStore> store_;
};

Budget budget_of(const OpenOptions& options) {
  if (options.capacity_bytes == 0) return {};
  return {.max_bytes = options.capacity_bytes};
}

}  // namespace

std::unique_ptr<BenchStore> open_file(const OpenOptions& options) {
  return std::make_unique<LarderStore>(
      value_of(open_file_store({.directory = options.directory, .budget = budget_of(options)})));
}

std::unique_ptr<BenchStore> open_memory(const OpenOptions& options) {
  const std::uint64_t bytes = options.capacity_bytes == 0 ? no_limit : options.capacity_bytes;
  return std::make_unique<LarderStore>(
      value_of(make_memory_store({.capacity_bytes = bytes, .capacity_entries = no_limit})));
}

std::unique_ptr<BenchStore> open_pack(const OpenOptions& options) {
  return std::make_unique<PackBenchStore>(
      value_of(open_pack_store({.directory = options.directory, .budget = budget_of(options)})));
}

}  // namespace larder::bench
