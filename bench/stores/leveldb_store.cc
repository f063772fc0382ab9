// LevelDB with its defaults, but a Bloom filter (for misses), no compression (as everybody here)
// and checksums verified on reads.
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/options.h>

#include <utility>

#include "open.h"

namespace larder::bench {
namespace {

void check(const leveldb::Status& status) {
  if (!status.ok()) throw std::runtime_error("leveldb: " + status.ToString());
}

leveldb::Slice slice_of(const Fingerprint& key) {
  return {reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()};
}

struct Opened {
  std::unique_ptr<const leveldb::FilterPolicy> filter{leveldb::NewBloomFilterPolicy(10)};
  std::unique_ptr<leveldb::DB> database;  // before the filter it goes

  explicit Opened(const std::string& directory) {
    leveldb::Options options;
    options.create_if_missing = true;
    options.compression = leveldb::kNoCompression;
    options.filter_policy = filter.get();
    leveldb::DB* opened = nullptr;
    check(leveldb::DB::Open(options, directory, &opened));
    database.reset(opened);
  }
};

class LeveldbStore final : public BenchStore {
 public:
  explicit LeveldbStore(std::shared_ptr<Opened> opened) : opened_(std::move(opened)) {
    verify_.verify_checksums = true;
  }

  bool get(const Fingerprint& key) override {
    std::string payload;
    const leveldb::Status status = opened_->database->Get(verify_, slice_of(key), &payload);
    if (status.IsNotFound()) return false;
    check(status);
    return hit(std::as_bytes(std::span(payload)));
  }

  void put(const Fingerprint& key, std::span<const std::byte> payload) override {
    check(opened_->database->Put({}, slice_of(key),
                                 {reinterpret_cast<const char*>(payload.data()), payload.size()}));
  }

  // There is no call for it: a small synced write takes the log before it along.
  void flush() override {
    leveldb::WriteOptions synced;
    synced.sync = true;
    check(opened_->database->Put(synced, "flush", {}));
  }

  void settle() override { opened_->database->CompactRange(nullptr, nullptr); }

  std::unique_ptr<BenchStore> another_handle() override {
    return std::make_unique<LeveldbStore>(opened_);
  }

 private:
  std::shared_ptr<Opened> opened_;
  leveldb::ReadOptions verify_;
};

}  // namespace

std::unique_ptr<BenchStore> open_leveldb(const OpenOptions& options) {
  return std::make_unique<LeveldbStore>(std::make_shared<Opened>(options.directory));
}

}  // namespace larder::bench
