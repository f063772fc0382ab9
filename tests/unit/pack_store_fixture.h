// A private directory and a pack store in it.
#ifndef LARDER_TESTS_UNIT_PACK_STORE_FIXTURE_H_
#define LARDER_TESTS_UNIT_PACK_STORE_FIXTURE_H_

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "format/pack_index.h"
#include "larder/file_system.h"
#include "larder/pack_store.h"
#include "larder/testing/fault_file_system.h"
#include "store/pack/segment_writer.h"
#include "tests/unit/shifted_clock.h"

namespace larder {

inline constexpr std::uint64_t mib = 1u << 20;

inline Fingerprint numbered(std::uint32_t number) {
  Fingerprint fingerprint;
  for (std::size_t i = 0; i < 32; ++i) {
    fingerprint.bytes[i] = static_cast<std::uint8_t>(number >> (8 * (i % 4)));
  }
  return fingerprint;
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Bytes that differ between seeds at every place.
inline std::string payload_of(std::size_t size, std::uint32_t seed) {
  std::string payload(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    payload[i] = static_cast<char>((seed + i) * 2654435761u >> 24);
  }
  return payload;
}

// "absent", "error: corrupt", or the payload.
inline std::string content(const Result<std::optional<Artifact>>& found) {
  if (!found) return "error: " + std::string(errc_name(found.error().code));
  return *found ? std::string((*found)->text()) : "absent";
}

class PackStoreFixture : public ::testing::Test {
 protected:
  // In memory where there is such a file system: a sync is then an operation like others.
  PackStoreFixture() {
    const std::filesystem::path memory = "/dev/shm";
    const bool is_there = ::access(memory.c_str(), W_OK) == 0;
    const auto parent = is_there ? memory : std::filesystem::temp_directory_path();
    std::string pattern = (parent / "larder-").string() + std::string(6, 'X');
    directory_ = ::mkdtemp(pattern.data());
    options_ = {.directory = (directory_ / "store").string()};
  }

  ~PackStoreFixture() override { std::filesystem::remove_all(directory_); }

  std::shared_ptr<PackStore> open() const {
    auto store = open_pack_store(options_);
    EXPECT_TRUE(store) << (store ? "" : store.error().message);
    return store.value_or(nullptr);
  }

  static std::string put(Store& store, const Fingerprint& fingerprint, std::string_view payload) {
    const auto stored = store.put(fingerprint, bytes_of(payload));
    return stored ? "ok" : stored.error().message;
  }

  // In a thread of its own, which the caller joins: where the index is being made anew, it waits
  // for the end of that. Returns when its record is written.
  std::jthread remove_beside(Store& store, const Fingerprint& fingerprint) const {
    const std::uint64_t before = removal_epoch();
    std::jthread remover([&store, fingerprint] { EXPECT_TRUE(store.remove(fingerprint)); });
    for (int i = 0; i < 5'000 && removal_epoch() < before + 2; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_GE(removal_epoch(), before + 2);
    return remover;
  }

  // Entries of 4 KiB each.
  static void fill(Store& store, std::uint32_t from, std::uint32_t until) {
    for (std::uint32_t i = from; i < until; ++i) {
      ASSERT_EQ(put(store, numbered(i), payload_of(4096, i)), "ok");
    }
  }

  static std::uint32_t count_present(Store& store, std::uint32_t from, std::uint32_t until) {
    std::uint32_t present = 0;
    for (std::uint32_t i = from; i < until; ++i) {
      const std::string found = content(store.get(numbered(i)));
      if (found == "absent") continue;
      EXPECT_EQ(found, payload_of(4096, i)) << i;
      ++present;
    }
    return present;
  }

  std::filesystem::path root() const { return options_.directory; }
  std::filesystem::path segments() const { return root() / "segments"; }

  // As `du` counts.
  std::uint64_t disk_bytes() const {
    std::uint64_t sum = blocks_of(root());
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root())) {
      sum += blocks_of(entry.path());
    }
    return sum;
  }

  std::vector<std::string> segment_names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(segments())) {
      names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
  }

  // "0000000a.seg", in which the entry is.
  static std::string segment_of(Store& store, const Fingerprint& fingerprint) {
    const auto details = store.inspect(fingerprint);
    if (!details || !*details) return "";
    const std::string& location = (*details)->location;
    const std::size_t end = location.find(".seg") + 4;
    return location.substr(end - 12, 12);
  }

  // As the process that writes a segment holds it, until the file is closed.
  std::unique_ptr<File> hold(const std::string& name) const {
    auto directory = posix_file_system().open_directory(segments().string());
    EXPECT_TRUE(directory);
    auto file = (*directory)->open_file(name, OpenMode::read_write);
    EXPECT_TRUE(file) << name;
    EXPECT_EQ((*file)->try_lock(LockMode::exclusive, pack_store::owner_lock_at, 1), true) << name;
    return *std::move(file);
  }

  // The next open makes the index anew from the segments.
  void lose_the_index() const {
    for (const auto& entry : std::filesystem::directory_iterator(root())) {
      const std::string name = entry.path().filename().string();
      if (name == "state" || name.starts_with("index.")) std::filesystem::remove(entry.path());
    }
  }

  std::filesystem::path index_path() const {
    for (const auto& entry : std::filesystem::directory_iterator(root())) {
      if (entry.path().filename().string().starts_with("index.")) return entry.path();
    }
    return {};
  }

  std::string index_bytes() const {
    std::ifstream file(index_path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // As a damaged disk may have it: slots that have changed since then were never used. How many.
  std::size_t zero_slots_changed_since(const std::string& before) const {
    const std::string now = index_bytes();
    EXPECT_EQ(now.size(), before.size()) << "there is another index";
    std::fstream file(index_path(), std::ios::in | std::ios::out | std::ios::binary);
    std::size_t zeroed = 0;
    for (std::size_t at = format::index_header_bytes; at < now.size(); at += format::slot_bytes) {
      if (now.compare(at, format::slot_bytes, before, at, format::slot_bytes) == 0) continue;
      file.seekp(static_cast<std::streamoff>(at));
      file << std::string(format::slot_bytes, '\0');
      ++zeroed;
    }
    return zeroed;
  }

  std::filesystem::path directory_;
  PackStoreOptions options_;
  testing::FaultFileSystem faults_{posix_file_system()};
  ShiftedClock clock_;

 private:
  std::uint64_t removal_epoch() const {
    std::uint64_t epoch = 0;
    std::ifstream state(root() / "state", std::ios::binary);
    state.seekg(88).read(reinterpret_cast<char*>(&epoch), sizeof epoch);
    return epoch;
  }

  static std::uint64_t blocks_of(const std::filesystem::path& path) {
    struct stat status = {};
    return ::lstat(path.c_str(), &status) == 0 ? std::uint64_t(status.st_blocks) * 512 : 0;
  }
};

}  // namespace larder

#endif  // LARDER_TESTS_UNIT_PACK_STORE_FIXTURE_H_
