// RocksDB with its defaults, but a Bloom filter (for misses) and no compression (as everybody
// here). Blocks are verified when they are read from their file, not when the block cache has them.
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>

#include <utility>

#include "open.h"

namespace larder::bench {
namespace {

constexpr std::size_t default_cache_bytes = 8 << 20;
constexpr std::size_t everything_bytes = 4ull << 30;

void check(const rocksdb::Status& status) {
  if (!status.ok()) throw std::runtime_error("rocksdb: " + status.ToString());
}

rocksdb::Slice slice_of(const Fingerprint& key) {
  return {reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()};
}

struct Opened {
  std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(default_cache_bytes);
  std::unique_ptr<rocksdb::DB> database;

  explicit Opened(const std::string& directory) {
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* opened = nullptr;
    check(rocksdb::DB::Open(options, directory, &opened));
    database.reset(opened);
  }
};

class RocksdbStore final : public BenchStore {
 public:
  explicit RocksdbStore(std::shared_ptr<Opened> opened) : opened_(std::move(opened)) {}

  bool get(const Fingerprint& key) override {
    std::string payload;
    const rocksdb::Status status = opened_->database->Get({}, slice_of(key), &payload);
    if (status.IsNotFound()) return false;
    check(status);
    return hit(std::as_bytes(std::span(payload)));
  }

  void put(const Fingerprint& key, std::span<const std::byte> payload) override {
    check(opened_->database->Put({}, slice_of(key),
                                 {reinterpret_cast<const char*>(payload.data()), payload.size()}));
  }

  void flush() override { check(opened_->database->SyncWAL()); }

  void settle() override {
    check(opened_->database->Flush({}));
    check(opened_->database->CompactRange({}, nullptr, nullptr));
  }

  void cache_everything() override { opened_->cache->SetCapacity(everything_bytes); }

  std::unique_ptr<BenchStore> another_handle() override {
    return std::make_unique<RocksdbStore>(opened_);
  }

 private:
  std::shared_ptr<Opened> opened_;
};

}  // namespace

std::unique_ptr<BenchStore> open_rocksdb(const OpenOptions& options) {
  return std::make_unique<RocksdbStore>(std::make_shared<Opened>(options.directory));
}

}  // namespace larder::bench
