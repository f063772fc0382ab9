// A pack store in a directory of its own, and what tests do to its files behind its back.
#ifndef LARDER_TESTS_ENDURANCE_PACK_DIRECTORY_H_
#define LARDER_TESTS_ENDURANCE_PACK_DIRECTORY_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/pack_segment.h"
#include "larder/pack_store.h"

namespace larder {

Fingerprint numbered(std::uint32_t number);

// Bytes that differ between seeds at every place, so that a mixture shows.
std::string payload_of(std::size_t size, std::uint32_t seed);

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string read_bytes(const std::filesystem::path& path);
void write_bytes(const std::filesystem::path& path, std::string_view bytes);  // in place
void flip_bit(const std::filesystem::path& path, std::uint64_t bit);

// How often a test turns: `usual`, or that times LARDER_TORTURE where it is set.
std::uint64_t rounds(std::uint64_t usual);

// What a get gives, "absent", or "error: " and its code.
std::string text_of(Store& store, const Fingerprint& fingerprint);

// A record of a segment, as the test finds it there.
struct PlacedRecord {
  std::uint64_t offset = 0;
  format::Record record;

  std::uint64_t end() const noexcept { return offset + record.hit_bytes() + record.recipe_bytes; }
};
std::vector<PlacedRecord> records_of(const std::filesystem::path& segment);

class PackDirectory {
 public:
  // In memory where there is such a file system: a sync is then an operation like others.
  PackDirectory();
  PackDirectory(const PackDirectory&) = delete;
  PackDirectory& operator=(const PackDirectory&) = delete;
  ~PackDirectory();

  // Segments of 1 MiB.
  PackStoreOptions options = {};

  std::shared_ptr<PackStore> open() const;  // null, and a failure, when it cannot be opened
  const std::filesystem::path& root() const noexcept { return root_; }
  std::filesystem::path segment(std::uint32_t number) const;
  std::vector<std::filesystem::path> segments() const;
  std::filesystem::path index() const;  // the only one; empty without one

  void forget_state() const;
  void forget_index() const;

  // All files with their bytes, by their path in the root.
  using Snapshot = std::map<std::string, std::string>;
  Snapshot snapshot() const;
  void restore(const Snapshot& snapshot) const;

 private:
  std::filesystem::path parent_;
  std::filesystem::path root_;
};

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_PACK_DIRECTORY_H_
