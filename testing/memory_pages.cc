#include "memory_pages.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

namespace larder::testing::memory {
namespace {

constexpr PageBytes zeros = {};

std::uint64_t hash_of_bytes(const PageBytes& bytes) noexcept {
  std::uint64_t hash = 1;
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    hash = mix(hash, word);
  }
  return hash;
}

}  // namespace

PageRef make_page(const PageBytes& bytes) {
  if (std::memcmp(bytes.data(), zeros.data(), page_bytes) == 0) return nullptr;
  return std::make_shared<const Page>(Page{.bytes = bytes, .hash = hash_of_bytes(bytes)});
}

std::span<const std::byte, page_bytes> bytes_of(const PageRef& page) noexcept {
  return page ? page->bytes : zeros;
}

std::shared_ptr<SharedMemory> SharedMemory::make(std::uint64_t bytes) {
  const std::uint64_t length = pages_for(bytes) * page_bytes;
  // Zeros that cost nothing until they are touched.
  std::unique_ptr<std::byte, Free> memory(
      static_cast<std::byte*>(std::calloc(length + page_bytes, 1)));
  if (!memory) return nullptr;
  const auto address = reinterpret_cast<std::uintptr_t>(memory.get());
  const std::uint64_t ahead = (page_bytes - address % page_bytes) % page_bytes;
  const std::span<std::byte> whole(memory.get() + ahead, length);
  return std::shared_ptr<SharedMemory>(new SharedMemory(std::move(memory), whole));
}

void SharedMemory::read(std::span<std::byte> into, std::uint64_t offset) const noexcept {
  std::size_t done = 0;
  while (done < into.size()) {
    const std::uint64_t at = offset + done;
    auto* const word = reinterpret_cast<std::uint64_t*>(bytes_.data() + at / 8 * 8);
    const std::uint64_t value =
        std::atomic_ref<std::uint64_t>(*word).load(std::memory_order_relaxed);
    const std::size_t count = std::min<std::size_t>(8 - at % 8, into.size() - done);
    std::memcpy(into.data() + done, reinterpret_cast<const std::byte*>(&value) + at % 8, count);
    done += count;
  }
}

void SharedMemory::write(std::span<const std::byte> from, std::uint64_t offset) noexcept {
  if (!from.empty()) std::memcpy(bytes_.data() + offset, from.data(), from.size());
}

bool SharedMemory::equals(std::span<const std::byte, page_bytes> page,
                          std::uint64_t offset) const noexcept {
  for (std::size_t at = 0; at < page_bytes; at += 8) {
    auto* const word = reinterpret_cast<std::uint64_t*>(bytes_.data() + offset + at);
    std::uint64_t expected = 0;
    std::memcpy(&expected, page.data() + at, 8);
    if (std::atomic_ref<std::uint64_t>(*word).load(std::memory_order_relaxed) != expected) {
      return false;
    }
  }
  return true;
}

}  // namespace larder::testing::memory
