// SQLite with a write-ahead log, mapped, prepared statements; a transaction for each put.
#include <sqlite3.h>

#include <cstring>

#include "open.h"

namespace larder::bench {
namespace {

constexpr int busy_ms = 20000;

class SqliteStore final : public BenchStore {
 public:
  explicit SqliteStore(const std::string& directory) : directory_(directory) {
    check(sqlite3_open((directory + "/bench.sqlite").c_str(), &database_));
    check(sqlite3_busy_timeout(database_, busy_ms));
    run("PRAGMA journal_mode=WAL");
    run("PRAGMA synchronous=NORMAL");
    run("PRAGMA mmap_size=2147418112");
    run("CREATE TABLE IF NOT EXISTS entries(key BLOB PRIMARY KEY, payload BLOB NOT NULL)");
    select_ = prepare("SELECT payload FROM entries WHERE key = ?");
    insert_ = prepare("INSERT OR REPLACE INTO entries VALUES(?, ?)");
  }
  ~SqliteStore() override {
    sqlite3_finalize(select_);
    sqlite3_finalize(insert_);
    sqlite3_close(database_);
  }

  bool get(const Fingerprint& key) override {
    bind_key(select_, key);
    const int code = sqlite3_step(select_);
    bool found = false;
    if (code == SQLITE_ROW) {
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(select_, 0));
      const auto copy = std::make_unique_for_overwrite<std::byte[]>(size);
      std::memcpy(copy.get(), sqlite3_column_blob(select_, 0), size);
      found = hit({copy.get(), size});
    }
    sqlite3_reset(select_);
    if (code != SQLITE_ROW && code != SQLITE_DONE) check(code);
    return found;
  }

  void put(const Fingerprint& key, std::span<const std::byte> payload) override {
    bind_key(insert_, key);
    check(sqlite3_bind_blob64(insert_, 2, payload.data(), payload.size(), SQLITE_STATIC));
    const int code = sqlite3_step(insert_);
    sqlite3_reset(insert_);
    if (code != SQLITE_DONE) check(code);
  }

  // Syncs the log, copies it into the database and syncs that.
  void flush() override { run("PRAGMA wal_checkpoint(FULL)"); }

  void settle() override { run("PRAGMA wal_checkpoint(TRUNCATE)"); }

  std::unique_ptr<BenchStore> another_handle() override {
    return std::make_unique<SqliteStore>(directory_);
  }

 private:
  void check(int code) {
    if (code != SQLITE_OK) {
      throw std::runtime_error(std::string("sqlite: ") + sqlite3_errmsg(database_));
    }
  }

  void run(const char* sql) { check(sqlite3_exec(database_, sql, nullptr, nullptr, nullptr)); }

  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    check(sqlite3_prepare_v2(database_, sql, -1, &statement, nullptr));
    return statement;
  }

  void bind_key(sqlite3_stmt* statement, const Fingerprint& key) {
    check(sqlite3_bind_blob(statement, 1, key.bytes.data(), static_cast<int>(key.bytes.size()),
                            SQLITE_STATIC));
  }

  std::string directory_;
  sqlite3* database_ = nullptr;
  sqlite3_stmt* select_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

}  // namespace

std::unique_ptr<BenchStore> open_sqlite(const OpenOptions& options) {
  return std::make_unique<SqliteStore>(options.directory);
}

}  // namespace larder::bench
