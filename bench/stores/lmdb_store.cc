// LMDB without syncs, the BLAKE3 of the payload kept behind it and checked here: LMDB itself checks
// nothing.
#include <lmdb.h>

#include <cstring>
#include <utility>

#include "digest.h"
#include "open.h"

namespace larder::bench {
namespace {

constexpr std::size_t map_bytes = 64ull << 30;  // of address space

int check(int code) {
  if (code != MDB_SUCCESS) throw std::runtime_error(std::string("lmdb: ") + mdb_strerror(code));
  return code;
}

struct Environment {
  MDB_env* env = nullptr;
  MDB_dbi table = 0;

  explicit Environment(const std::string& directory) {
    check(mdb_env_create(&env));
    check(mdb_env_set_mapsize(env, map_bytes));
    check(mdb_env_open(env, directory.c_str(), MDB_NOSYNC | MDB_NOTLS, 0600));
    MDB_txn* transaction = nullptr;
    check(mdb_txn_begin(env, nullptr, 0, &transaction));
    check(mdb_dbi_open(transaction, nullptr, 0, &table));
    check(mdb_txn_commit(transaction));
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() { mdb_env_close(env); }
};

MDB_val value_of(const Fingerprint& key) {
  return {key.bytes.size(), const_cast<std::uint8_t*>(key.bytes.data())};
}

class LmdbStore final : public BenchStore {
 public:
  explicit LmdbStore(std::shared_ptr<Environment> environment)
      : environment_(std::move(environment)) {
    check(mdb_txn_begin(environment_->env, nullptr, MDB_RDONLY, &reader_));
    mdb_txn_reset(reader_);
  }
  ~LmdbStore() override { mdb_txn_abort(reader_); }

  bool get(const Fingerprint& key) override {
    return find(key, [this](std::span<const std::byte> found) {
      const auto copy = std::make_unique_for_overwrite<std::byte[]>(found.size());
      std::memcpy(copy.get(), found.data(), found.size());
      return show({copy.get(), found.size()});
    });
  }

  bool view(const Fingerprint& key) override {
    return find(key, [this](std::span<const std::byte> found) { return show(found); });
  }

  void put(const Fingerprint& key, std::span<const std::byte> payload) override {
    const Digest digest = digest_of(payload);
    MDB_txn* transaction = nullptr;
    check(mdb_txn_begin(environment_->env, nullptr, 0, &transaction));
    MDB_val name = value_of(key);
    MDB_val place = {payload.size() + digest.size(), nullptr};
    check(mdb_put(transaction, environment_->table, &name, &place, MDB_RESERVE));
    auto* out = static_cast<std::byte*>(place.mv_data);
    std::memcpy(out, payload.data(), payload.size());
    std::memcpy(out + payload.size(), digest.data(), digest.size());
    check(mdb_txn_commit(transaction));
  }

  void flush() override { check(mdb_env_sync(environment_->env, 1)); }

  std::unique_ptr<BenchStore> another_handle() override {
    return std::make_unique<LmdbStore>(environment_);
  }

 private:
  bool show(std::span<const std::byte> found) {
    return has_good_footer(found) && hit(found.first(found.size() - Digest().size()));
  }

  template <class Use>
  bool find(const Fingerprint& key, const Use& use) {
    check(mdb_txn_renew(reader_));
    MDB_val name = value_of(key);
    MDB_val found = {};
    const int code = mdb_get(reader_, environment_->table, &name, &found);
    const bool good =
        code == MDB_SUCCESS && use({static_cast<const std::byte*>(found.mv_data), found.mv_size});
    mdb_txn_reset(reader_);
    if (code != MDB_NOTFOUND) check(code);
    return good;
  }

  std::shared_ptr<Environment> environment_;
  MDB_txn* reader_ = nullptr;
};

}  // namespace

std::unique_ptr<BenchStore> open_lmdb(const OpenOptions& options) {
  return std::make_unique<LmdbStore>(std::make_shared<Environment>(options.directory));
}

}  // namespace larder::bench
