// FROZEN. The yardstick of every ratio that the benchmark prints: one file per entry, as a careful
// programmer writes it without a library. Changing this file changes the meaning of every figure
// ever published; improve the stores, never this.
//
// The algorithm, and as fast as it allows (names relative to one directory descriptor, one read,
// one gathered write, no copy, no lock):
//   get    lstat, open, read, close, BLAKE3 of the payload against the 32-byte footer
//   put    BLAKE3, create a random temporary name, write payload and footer, close, rename
//   flush  reopen, fdatasync and close each file put since the last flush, then fsync the directory
#ifndef LARDER_BENCH_BASELINE_H_
#define LARDER_BENCH_BASELINE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "larder/fingerprint.h"

namespace larder::bench {

// For one thread; any number of objects and processes may share a directory. What the system
// refuses is thrown as std::system_error.
class Baseline {
 public:
  struct Payload {
    std::unique_ptr<std::byte[]> storage;  // payload and footer
    std::size_t size = 0;                  // of the payload

    std::span<const std::byte> bytes() const { return {storage.get(), size}; }
  };

  explicit Baseline(const std::string& directory);  // which exists
  Baseline(const Baseline&) = delete;
  Baseline& operator=(const Baseline&) = delete;
  ~Baseline();

  // Owned bytes, verified; nullopt when there is no good entry.
  std::optional<Payload> get(const Fingerprint& fingerprint) const;

  void put(const Fingerprint& fingerprint, std::span<const std::byte> payload);

  void flush();

 private:
  using Name = std::array<char, 72>;

  static Name name_of(const Fingerprint& fingerprint);
  Name temporary_name();

  int directory_ = -1;
  std::uint64_t random_ = 0;
  std::vector<Name> pending_;
};

}  // namespace larder::bench

#endif  // LARDER_BENCH_BASELINE_H_
