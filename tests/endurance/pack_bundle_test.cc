// A payload that is a whole segment: a cached bundle, or one that was made on purpose. When the
// header around it is damaged, a rebuild looks for records where the bundle lies. Whatever stands
// in there, none of it is an entry of this store.
//
// Damages one byte in five of that header; each with LARDER_TORTURE=2.
#include <gtest/gtest.h>

#include <map>

#include "tests/endurance/pack_directory.h"

namespace larder {
namespace {

constexpr std::uint32_t first_foreign = 1000;
constexpr std::uint32_t foreign_entries = 9;
constexpr std::uint32_t bundle = 50;

// Where the records of the bundle come from.
enum class Source {
  same_segment,   // of an earlier state of the store: their key is right, their place is not
  other_segment,  // their place is right, their key is not
  other_store,    // the same
};

class PackBundle : public ::testing::TestWithParam<Source> {
 protected:
  // Segments of 64 MiB, which take a sealed one of 1 MiB as a record.
  void SetUp() override {
    directory_.options.budget = {};
    put(directory_, {{1, "the first"}});
  }

  static void put(const PackDirectory& directory, const std::map<std::uint32_t, std::string>& all) {
    const auto store = directory.open();
    for (const auto& [number, payload] : all) {
      ASSERT_TRUE(store->put(numbered(number), bytes_of(payload)));
    }
    ASSERT_TRUE(store->flush());
  }

  // Entries that this store never had, sealed by what follows them.
  static void put_foreign(PackDirectory& directory) {
    std::map<std::uint32_t, std::string> all;
    for (std::uint32_t i = 0; i < foreign_entries; ++i) {
      all[first_foreign + i] = payload_of(120'000, i);
    }
    directory.options.budget = {.max_bytes = 64ull << 20};
    put(directory, all);
    directory.options.budget = {};
  }

  std::string segment_from(Source source) {
    if (source == Source::other_store) {
      PackDirectory other;
      put_foreign(other);
      return read_bytes(other.segment(0));
    }
    const auto before = directory_.snapshot();
    if (source == Source::other_segment) std::filesystem::remove(directory_.segment(0));
    put_foreign(directory_);
    const std::uint32_t number = source == Source::same_segment ? 0 : 1;
    const std::string bytes = read_bytes(directory_.segment(number));
    directory_.restore(before);
    return bytes;
  }

  // Where the next record of segment 0 has its payload.
  std::uint64_t payload_at() const {
    const auto records = records_of(directory_.segment(0));
    return records.back().offset + records.back().record.total_bytes() +
           format::record_header_bytes;
  }

  // Puts the bundle, so that where only the key is wrong each record keeps its place. The file ends
  // where the bundle does: perhaps it passes for the end of a segment.
  void put_bundle() {
    payload_ = segment_from(GetParam());
    ASSERT_FALSE(payload_.empty());
    if (GetParam() != Source::same_segment) payload_.erase(0, payload_at());
    put(directory_, {{bundle, payload_}});
    const PlacedRecord outer = records_of(directory_.segment(0)).back();
    ASSERT_EQ(outer.record.fingerprint, numbered(bundle));
    outer_at_ = outer.offset;
    std::filesystem::resize_file(directory_.segment(0), outer.end());
    sound_ = directory_.snapshot();
  }

  void expect_no_foreign_entry(const std::string& when) {
    directory_.forget_index();
    directory_.forget_state();
    const auto store = directory_.open();
    for (std::uint32_t i = 0; i < foreign_entries; ++i) {
      EXPECT_EQ(text_of(*store, numbered(first_foreign + i)), "absent") << when;
    }
    EXPECT_EQ(text_of(*store, numbered(1)), "the first") << when;
    EXPECT_TRUE(store->visit([&](const EntryInfo& entry) {
      EXPECT_TRUE(entry.fingerprint == numbered(1) || entry.fingerprint == numbered(bundle))
          << when << ": " << entry.fingerprint.hex();
      return Visit::go_on;
    }));
  }

  PackDirectory directory_;
  std::string payload_;
  std::uint64_t outer_at_ = 0;
  PackDirectory::Snapshot sound_;
};

INSTANTIATE_TEST_SUITE_P(From, PackBundle,
                         ::testing::Values(Source::same_segment, Source::other_segment,
                                           Source::other_store),
                         [](const auto& tested) {
                           switch (tested.param) {
                             case Source::same_segment: return "ThisSegment";
                             case Source::other_segment: return "AnotherSegment";
                             case Source::other_store: break;
                           }
                           return "AnotherStore";
                         });

TEST_P(PackBundle, YieldsNothingWhateverIsDamagedAroundIt) {
  put_bundle();
  const std::uint64_t step = rounds(1) > 1 ? 1 : 5;
  for (std::uint64_t i = 0; i < format::record_header_bytes && !HasFailure(); i += step) {
    directory_.restore(sound_);
    flip_bit(directory_.segment(0), (outer_at_ + i) * 8 + i % 8);
    const auto records = records_of(directory_.segment(0));
    EXPECT_NE(records.back().record.fingerprint, numbered(bundle));
    expect_no_foreign_entry("byte " + std::to_string(i));
  }
}

// Too large for a record: a file of its own, to which a record leads.
TEST_P(PackBundle, YieldsNothingFromAFileOfItsOwn) {
  payload_ = segment_from(GetParam());
  directory_.options.budget = {.max_bytes = 64ull << 20};
  put(directory_, {{bundle, payload_}});
  const PlacedRecord outer = records_of(directory_.segment(0)).back();
  ASSERT_EQ(outer.record.kind, format::RecordKind::large);
  sound_ = directory_.snapshot();
  expect_no_foreign_entry("sound");
  directory_.restore(sound_);
  flip_bit(directory_.segment(0), outer.offset * 8);
  expect_no_foreign_entry("its record damaged");
  directory_.restore(sound_);
  for (const auto& [name, bytes] : sound_) {
    if (name.ends_with(".art")) flip_bit(directory_.root() / name, 0);
  }
  expect_no_foreign_entry("its file damaged");
}

}  // namespace
}  // namespace larder
