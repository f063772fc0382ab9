// Payloads: slices of the machine code of the libraries on this machine. Compiled artifacts look
// like that; zeros or noise would flatter some stores.
#ifndef LARDER_BENCH_CORPUS_H_
#define LARDER_BENCH_CORPUS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace larder::bench {

class Corpus {
 public:
  // At least `bytes`, fewer libraries repeated when there are not enough. Throws when there is no
  // library at all.
  static Corpus from_libraries(std::size_t bytes);

  // Always the same for the same `index` and size; another place for each index.
  std::span<const std::byte> slice(std::uint64_t index, std::size_t size) const;

 private:
  std::vector<std::byte> code_;
};

}  // namespace larder::bench

#endif  // LARDER_BENCH_CORPUS_H_
