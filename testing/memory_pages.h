// Pages of files in memory, shared by all versions and clones that have them, and memory that
// several mappings share.
#ifndef LARDER_TESTING_MEMORY_PAGES_H_
#define LARDER_TESTING_MEMORY_PAGES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

namespace larder::testing::memory {

inline constexpr std::size_t page_bytes = 4096;
inline constexpr std::size_t sector_bytes = 512;
inline constexpr std::size_t sectors_per_page = page_bytes / sector_bytes;

using PageBytes = std::array<std::byte, page_bytes>;

struct Page {
  PageBytes bytes;
  std::uint64_t hash = 0;
};
using PageRef = std::shared_ptr<const Page>;  // null: zeros

inline std::uint64_t mix(std::uint64_t hash, std::uint64_t word) noexcept {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}

// Null when they are all zero.
PageRef make_page(const PageBytes& bytes);

std::span<const std::byte, page_bytes> bytes_of(const PageRef& page) noexcept;

inline std::uint64_t hash_of(const PageRef& page) noexcept { return page ? page->hash : 0; }

inline std::uint64_t pages_for(std::uint64_t bytes) noexcept {
  return (bytes + page_bytes - 1) / page_bytes;
}

// What mappings of a file share. Others may change its words at any time: what is read from here is
// read word by word.
class SharedMemory {
 public:
  // Zeros. Null without memory.
  static std::shared_ptr<SharedMemory> make(std::uint64_t bytes);

  std::span<std::byte> bytes() const noexcept { return bytes_; }
  void read(std::span<std::byte> into, std::uint64_t offset) const noexcept;
  void write(std::span<const std::byte> from, std::uint64_t offset) noexcept;
  bool equals(std::span<const std::byte, page_bytes> page, std::uint64_t offset) const noexcept;

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
  };
  SharedMemory(std::unique_ptr<std::byte, Free> memory, std::span<std::byte> bytes) noexcept
      : memory_(std::move(memory)), bytes_(bytes) {}

  std::unique_ptr<std::byte, Free> memory_;
  std::span<std::byte> bytes_;  // of whole pages, within memory_
};

}  // namespace larder::testing::memory

#endif  // LARDER_TESTING_MEMORY_PAGES_H_
