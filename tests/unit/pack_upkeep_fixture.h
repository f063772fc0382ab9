// A pack store on a file system that fails when told to, at any time, and tells its log.
#ifndef LARDER_TESTS_UNIT_PACK_UPKEEP_FIXTURE_H_
#define LARDER_TESTS_UNIT_PACK_UPKEEP_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "format/pack_record.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {

inline constexpr std::size_t large_bytes = 300'000;  // above a quarter of a segment of 1 MiB
inline constexpr std::int64_t two_hours_s = 7'200;

class PackUpkeep : public PackStoreFixture {
 protected:
  PackUpkeep() {
    options_.budget = {.max_bytes = 60 * mib};
    options_.file_system = &spoilt_;
    options_.log = [this](LogLevel, std::string_view line) { log_.emplace_back(line); };
  }

  static std::string large(std::uint32_t seed) { return payload_of(large_bytes, seed); }

  // Another one, of which nothing fails.
  std::shared_ptr<PackStore> open_soundly() const {
    PackStoreOptions sound = options_;
    sound.file_system = nullptr;
    return open_pack_store(sound).value();
  }

  void rebuild(std::shared_ptr<PackStore>& store) {
    (void)store->flush();
    store.reset();
    lose_the_index();
    store = open();
  }

  bool was_told(std::string_view what) const {
    return std::ranges::any_of(
        log_, [&](const std::string& line) { return line.find(what) != std::string::npos; });
  }

  std::size_t large_files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root() / "large")) {
      if (entry.is_regular_file() && std::filesystem::file_size(entry) > large_bytes) ++count;
    }
    return count;
  }

  void fail_reads_of(const std::string& name) {
    spoilt_.inject(
        {.only = testing::Op::read_at, .path_contains = name, .repeat = testing::Repeat::for_ever});
  }

  // The first record that is `payload`, so that nobody can tell whose it was.
  void spoil_record_of(std::string_view payload) const {
    const std::filesystem::path segment = segments() / segment_names().front();
    const auto folder = posix_file_system().open_directory(segments().string()).value();
    const auto file = folder->open_file(segment.filename().string(), OpenMode::read_write).value();
    std::string bytes(std::filesystem::file_size(segment), '\0');
    ASSERT_TRUE(file->read_at(std::as_writable_bytes(std::span(bytes)), 0));
    const std::size_t at = bytes.find(payload);
    ASSERT_NE(at, std::string::npos);
    const std::array flipped{static_cast<std::byte>(bytes[at - 20] ^ 1)};
    ASSERT_TRUE(file->write_at(std::array{std::span<const std::byte>(flipped)}, at - 20));
  }

  testing::FaultFileSystem spoilt_{clock_};
  std::vector<std::string> log_;
};

}  // namespace larder

#endif  // LARDER_TESTS_UNIT_PACK_UPKEEP_FIXTURE_H_
