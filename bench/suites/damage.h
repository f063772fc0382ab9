// What can happen to the files of a store behind its back.
#ifndef LARDER_BENCH_SUITES_DAMAGE_H_
#define LARDER_BENCH_SUITES_DAMAGE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "larder/fingerprint.h"

namespace larder::bench {

// Where an entry lies. Larder's own and the baseline's layouts are known by their sizes: what
// stands before the payload and behind it belongs to the entry.
struct EntryPlace {
  std::filesystem::path file;
  std::uint64_t payload_at = 0;
  std::uint64_t payload_bytes = 0;
  std::uint64_t before = 0;
  std::uint64_t behind = 0;

  std::uint64_t begin() const { return payload_at - before; }
  std::uint64_t end() const { return payload_at + payload_bytes + behind; }
};

// The places of two entries of a closed or open store, and the key of the first.
struct Scene {
  std::filesystem::path directory;
  std::filesystem::path outside;  // on the same file system
  Fingerprint key;
  EntryPlace first;
  EntryPlace second;
  bool is_file_per_entry = false;
};

// `key` with one bit changed: the one that a flipped bit in the key may lead to.
Fingerprint neighbour_of(const Fingerprint& key);

// Searches the files of a store for the payloads. Throws when one of them is not there.
Scene find_entries(std::string_view store, const std::filesystem::path& directory,
                   const Fingerprint& key, std::span<const std::byte> first,
                   std::span<const std::byte> second);

struct Damage {
  std::string_view name;
  // How many variants there are, at most `limit`; and doing one of them.
  std::function<std::size_t(const Scene&, std::size_t limit)> variants;
  std::function<void(const Scene&, std::size_t variant, std::size_t limit)> apply;
};
std::span<const Damage> damages();

}  // namespace larder::bench

#endif  // LARDER_BENCH_SUITES_DAMAGE_H_
