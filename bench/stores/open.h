// How each store is opened. Those of other people exist where their library was found
// (LARDER_BENCH_<NAME>).
#ifndef LARDER_BENCH_STORES_OPEN_H_
#define LARDER_BENCH_STORES_OPEN_H_

#include <memory>

#include "store.h"

namespace larder::bench {

std::unique_ptr<BenchStore> open_baseline(const OpenOptions& options);
std::unique_ptr<BenchStore> open_pack(const OpenOptions& options);
std::unique_ptr<BenchStore> open_file(const OpenOptions& options);
std::unique_ptr<BenchStore> open_memory(const OpenOptions& options);
std::unique_ptr<BenchStore> open_lmdb(const OpenOptions& options);
std::unique_ptr<BenchStore> open_sqlite(const OpenOptions& options);
std::unique_ptr<BenchStore> open_rocksdb(const OpenOptions& options);
std::unique_ptr<BenchStore> open_leveldb(const OpenOptions& options);
std::unique_ptr<BenchStore> open_raw(const OpenOptions& options);

}  // namespace larder::bench

#endif  // LARDER_BENCH_STORES_OPEN_H_
