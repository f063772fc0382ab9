// A segment is read record by record through a window.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "larder/file_system.h"
#include "store/pack/segment_scan.h"
#include "tests/endurance/pack_directory.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t window_bytes = 8u << 20;  // as segment_scan.cc reads at once

pack_store::Scanned scan(const fs::path& path) {
  const auto folder = posix_file_system().open_directory(path.parent_path().string()).value();
  const auto file = folder->open_file(path.filename().string(), OpenMode::read).value();
  std::array<std::byte, format::segment_header_bytes> head;
  EXPECT_EQ(file->read_at(head, 0), head.size());
  const auto header = format::decode_segment_header(head);
  const auto segment =
      pack_store::Segment::open(*folder, {header->identity.store, posix_file_system()},
                                {.number = header->identity.number}, OpenMode::read)
          .value();
  return pack_store::scan_records(*segment, {}, [](const format::Record&, std::uint32_t) {})
      .value();
}

// The window goes on to the payload, and only zeros stand in it where the header stood before.
TEST(PackScan, ADamagedPayloadBehindTheWindowIsTorn) {
  PackDirectory directory;
  directory.options.budget = {};  // for a segment of more than a window
  {
    const auto store = directory.open();
    for (const std::uint32_t i : {1u, 2u}) {
      ASSERT_TRUE(store->put(numbered(i), bytes_of(payload_of((4u << 20) - 4096, i))));
    }
    ASSERT_TRUE(store->put(numbered(3), bytes_of(payload_of(64'000, 3))));
  }
  const fs::path segment = directory.segment(0);
  const PlacedRecord last = records_of(segment).at(2);
  ASSERT_LE(last.offset + format::record_header_bytes, format::records_at + window_bytes);
  ASSERT_GT(last.end(), format::records_at + window_bytes);
  flip_bit(segment, 8 * (last.end() - 1000));
  fs::resize_file(segment, last.end());
  fs::resize_file(segment, last.end() + 2 * window_bytes);
  const std::vector<std::uint32_t> torn = scan(segment).torn;
  ASSERT_EQ(torn.size(), 1u);
  EXPECT_EQ(torn.front(), last.offset / format::pack_unit_bytes);
}

}  // namespace
}  // namespace larder
