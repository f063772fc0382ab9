// Every truncation and every flipped bit of a small pack store, and coarser damage: the right bytes
// or none, only the records hit are lost, what was removed or replaced does not come back.
//
// Each case damages a sound store, opens it anew, alone, and asks for everything: once with its
// index, and once after that was lost too.
//
// Every bit and every length where files are small, a sample where they are not; all of them with
// LARDER_TORTURE=1.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/endurance/pack_specimen.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

class PackCorruption : public ::testing::Test {
 protected:
  static constexpr std::uint64_t coarse_step = 61;

  static std::uint64_t step() { return rounds(1) > 1 ? 1 : coarse_step; }

  const std::string& sound(const std::string& name) const { return specimen_.sound().at(name); }
  fs::path path(const std::string& name) const { return specimen_.directory().root() / name; }

  // Turns bits over, one at a time.
  void flip_bits(std::uint32_t number, const std::vector<std::uint64_t>& bits, bool is_sealed) {
    const std::string name = segment_path(number);
    for (const Index index : {Index::kept, Index::lost}) {
      specimen_.restore();
      for (const std::uint64_t bit : bits) {
        const Damage damage{.segment = number,
                            .ranges = {{.from = bit / 8, .until = bit / 8 + 1}},
                            .is_sealed = is_sealed};
        flip_bit(path(name), bit);
        specimen_.check(damage, index, "bit " + std::to_string(bit));
        flip_bit(path(name), bit);
        if (HasFailure()) return;
      }
    }
  }

  // From the longest to the shortest.
  void cut(std::uint32_t number, std::uint64_t by) {
    const std::string name = segment_path(number);
    for (const Index index : {Index::kept, Index::lost}) {
      specimen_.restore();
      for (std::uint64_t length = sound(name).size(); length > 0 && !HasFailure();) {
        length -= std::min(length, by);
        // What is shorter than a header is taken away by whoever finds it.
        if (!fs::exists(path(name))) specimen_.restore();
        fs::resize_file(path(name), length);
        const Damage damage{.segment = number, .ranges = {{.from = length, .until = ~0ull}}};
        specimen_.check(damage, index, "cut to " + std::to_string(length));
      }
    }
  }

  // Offsets of a segment that mean something: headers of records, the summary and what follows.
  std::vector<std::uint64_t> telling_offsets(std::uint32_t number) const {
    std::vector<std::uint64_t> offsets;
    std::uint64_t end = format::records_at;
    for (std::uint64_t at = 0; at < format::records_at; ++at) offsets.push_back(at);
    for (const PlacedRecord& placed : specimen_.records().at(number)) {
      for (std::uint64_t i = 0; i < format::record_header_bytes; ++i) {
        offsets.push_back(placed.offset + i);
      }
      end = placed.offset + placed.record.total_bytes();
    }
    for (; end < sound(segment_path(number)).size(); ++end) offsets.push_back(end);
    return offsets;
  }

  Specimen specimen_;
};

TEST_F(PackCorruption, EveryBitOfASmallSegment) {
  make_tiny(specimen_);
  std::vector<std::uint64_t> bits(sound(segment_path(0)).size() * 8);
  std::iota(bits.begin(), bits.end(), std::uint64_t{0});
  flip_bits(0, bits, false);
}

TEST_F(PackCorruption, EveryLengthOfASmallSegment) {
  make_tiny(specimen_);
  cut(0, 1);
}

TEST_F(PackCorruption, BitsOfASealedSegment) {
  make_large(specimen_);
  ASSERT_EQ(specimen_.records().size(), 2u);
  std::vector<std::uint64_t> bits;
  for (const std::uint64_t offset : telling_offsets(0)) bits.push_back(offset * 8 + offset % 8);
  for (std::uint64_t at = 0; at < sound(segment_path(0)).size(); at += 97 * step()) {
    bits.push_back(at * 8 + at % 8);
  }
  flip_bits(0, bits, true);
}

TEST_F(PackCorruption, LengthsOfASealedSegment) {
  make_large(specimen_);
  cut(0, 127 * step());
}

}  // namespace
}  // namespace larder
