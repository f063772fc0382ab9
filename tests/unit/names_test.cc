// Names, the marker and the counters' block: what is recognised as ours, and nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "base/byte_order.h"
#include "base/digest.h"
#include "format/entry_name.h"
#include "format/marker.h"
#include "format/statistics.h"

namespace larder::format {
namespace {

Fingerprint key(std::uint8_t value) {
  Fingerprint fingerprint;
  fingerprint.bytes.fill(value);
  return fingerprint;
}

TEST(EntryName, RoundTripsInBothLayouts) {
  const std::string hex(64, 'a');
  EXPECT_EQ(entry_path(FileLayout::larder, key(0xaa)), "aa/" + hex + ".art");
  EXPECT_EQ(entry_path(FileLayout::vyre, key(0xaa)), hex + ".bin");
  EXPECT_EQ(parse_file_name(FileLayout::larder, "aa", hex + ".art"), key(0xaa));
  EXPECT_EQ(parse_file_name(FileLayout::vyre, "", hex + ".bin"), key(0xaa));
}

TEST(EntryName, NothingElseIsAnEntry) {
  const std::string hex(64, 'a');
  const std::string upper(64, 'A');
  for (const std::string& name :
       {hex, hex + ".bin", hex + ".ART", hex + ".art ", upper + ".art", hex.substr(1) + ".art",
        "." + hex + ".art", std::string(".nfs0001"), std::string(), hex.substr(1) + "g.art"}) {
    EXPECT_FALSE(parse_file_name(FileLayout::larder, "aa", name)) << name;
  }
  EXPECT_FALSE(parse_file_name(FileLayout::larder, "ab", hex + ".art")) << "in a foreign folder";
  EXPECT_TRUE(is_shard_name(FileLayout::larder, "0f"));
  for (const char* name : {"0", "0F", "..", "0ff", "LARDER"}) {
    EXPECT_FALSE(is_shard_name(FileLayout::larder, name)) << name;
  }
  EXPECT_FALSE(is_shard_name(FileLayout::vyre, "0f"));
}

TEST(TemporaryName, IsRecognisedExactly) {
  const std::string name = temporary_name(std::string(32, '0'));
  EXPECT_TRUE(is_temporary_name(name));
  EXPECT_FALSE(is_temporary_name(name + "x"));
  EXPECT_FALSE(is_temporary_name(name.substr(1)));
  EXPECT_FALSE(is_temporary_name(".larder-" + std::string(32, 'z') + ".tmp"));
  EXPECT_FALSE(is_temporary_name(lock_name));
}

TEST(Marker, RoundTripsAndRefusesAllElse) {
  const std::string text = encode_marker({.kind = "file", .id = std::string(32, '1')});
  const auto marker = decode_marker(text);
  ASSERT_TRUE(marker);
  EXPECT_EQ(marker->kind, "file");
  for (std::size_t length = 0; length < text.size(); ++length) {
    const auto cut = decode_marker(std::string_view(text).substr(0, length));
    ASSERT_FALSE(cut) << length;
    EXPECT_EQ(cut.error().code, Errc::not_a_store);
  }
  EXPECT_FALSE(decode_marker(text + "more\n"));
}

TEST(Marker, AVersionIsWrittenInOneWayOnly) {
  for (const std::string_view version : {"01", "00", "+1", "1 ", " 1", ""}) {
    const auto marker = decode_marker("larder store\nkind file\nversion " + std::string(version) +
                                      "\nid " + std::string(32, '1') + "\n");
    ASSERT_FALSE(marker) << version;
    EXPECT_EQ(marker.error().code, Errc::not_a_store) << version;
  }
}

TEST(Marker, AStoreIsOfSomeKind) {
  const auto marker =
      decode_marker("larder store\nkind \nversion 1\nid " + std::string(32, '1') + "\n");
  ASSERT_FALSE(marker);
  EXPECT_EQ(marker.error().code, Errc::not_a_store);
}

TEST(Marker, ANewerVersionIsToldFromGarbage) {
  const auto newer = decode_marker("larder store\nkind pack\nversion 2\nwhatever comes then");
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code, Errc::unsupported_version);
  EXPECT_EQ(decode_marker("larder store\nkind file\nversion 0\nid " + std::string(32, '1') + "\n")
                .error()
                .code,
            Errc::not_a_store);
}

TEST(StatisticsBlock, RoundTripsAndAnyFlippedBitEmptiesIt) {
  const Statistics written{.counters = {.lookups = 3, .hits = 2, .absent = 1},
                           .usage = Usage{.bytes = 4096, .entries = 1}};
  auto block = encode_statistics(written);
  const auto read = decode_statistics(block);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->counters, written.counters);
  ASSERT_TRUE(read->usage);
  EXPECT_EQ(read->usage->bytes, 4096u);
  for (std::size_t bit = 0; bit < block.size() * 8; ++bit) {
    block[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    EXPECT_FALSE(decode_statistics(block)) << bit;
    block[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
  }
  EXPECT_FALSE(decode_statistics(std::span(block).first(block.size() - 1)));
}

// What a store holds now is not what some process once saw.
TEST(StatisticsBlock, AGaugeIsZeroWhateverStandsThere) {
  auto block = encode_statistics({});
  const auto& fields = metric_fields();
  const auto gauge = std::ranges::find_if(fields, &MetricField::gauge) - fields.begin();
  store_little(block.data() + 40 + 8 * gauge, std::uint64_t{7});
  const Digest digest = blake3(std::span(block).first(block.size() - 32));
  std::memcpy(block.data() + block.size() - 32, digest.data(), digest.size());
  const auto read = decode_statistics(block);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->counters, Metrics{});
}

}  // namespace
}  // namespace larder::format
