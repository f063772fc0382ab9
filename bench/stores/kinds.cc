#include <array>

#include "open.h"
#include "store.h"

#ifdef LARDER_BENCH_LMDB
#define LARDER_BENCH_OPEN_LMDB open_lmdb
#else
#define LARDER_BENCH_OPEN_LMDB nullptr
#endif
#ifdef LARDER_BENCH_SQLITE
#define LARDER_BENCH_OPEN_SQLITE open_sqlite
#else
#define LARDER_BENCH_OPEN_SQLITE nullptr
#endif
#ifdef LARDER_BENCH_ROCKSDB
#define LARDER_BENCH_OPEN_ROCKSDB open_rocksdb
#else
#define LARDER_BENCH_OPEN_ROCKSDB nullptr
#endif
#ifdef LARDER_BENCH_LEVELDB
#define LARDER_BENCH_OPEN_LEVELDB open_leveldb
#else
#define LARDER_BENCH_OPEN_LEVELDB nullptr
#endif

namespace larder::bench {
namespace {

constexpr std::array kinds = {
    StoreKind{.name = "baseline",
              .verified = "payload (BLAKE3)",
              .many_processes = true,
              .open = open_baseline},
    StoreKind{.name = "pack",
              .verified = "key, place, header, payload (BLAKE3)",
              .has_view = true,
              .has_get_into = true,
              .has_get_many = true,
              .many_processes = true,
              .evicts = true,
              .open = open_pack},
    StoreKind{.name = "file",
              .verified = "key, header, payload (BLAKE3)",
              .has_get_into = true,
              .has_get_many = true,
              .many_processes = true,
              .evicts = true,
              .open = open_file},
    StoreKind{.name = "memory",
              .verified = "nothing: memory that nobody else writes",
              .has_get_into = true,
              .has_get_many = true,
              .on_disk = false,
              .evicts = true,
              .open = open_memory},
    StoreKind{.name = "lmdb",
              .verified = "payload (BLAKE3, added here)",
              .has_view = true,
              .many_processes = true,
              .open = LARDER_BENCH_OPEN_LMDB,
              .package = "liblmdb-dev"},
    StoreKind{.name = "sqlite",
              .verified = "nothing",
              .many_processes = true,
              .open = LARDER_BENCH_OPEN_SQLITE,
              .package = "libsqlite3-dev"},
    StoreKind{.name = "rocksdb",
              .verified = "blocks as they are read (XXH3)",
              .open = LARDER_BENCH_OPEN_ROCKSDB,
              .package = "librocksdb-dev"},
    StoreKind{.name = "leveldb",
              .verified = "blocks as they are read (CRC32C)",
              .open = LARDER_BENCH_OPEN_LEVELDB,
              .package = "libleveldb-dev"},
    StoreKind{.name = "raw", .verified = "nothing", .many_processes = true, .open = open_raw},
};

}  // namespace

std::span<const StoreKind> store_kinds() { return kinds; }

}  // namespace larder::bench
