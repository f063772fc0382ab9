// The same damage as in corruption_test.cc, and a store that is opened for writing afterwards,
// alone: with the index that it had, and without. What is lost is put again and stays, nothing
// grows, and nobody else is harmed.
#include <gtest/gtest.h>

#include "tests/endurance/corruption.h"
#include "tests/endurance/pack_directory.h"

namespace larder::corruption {
namespace {

using Hints = Case::Hints;
using Opening = Case::Opening;

class CorruptionAnew : public ::testing::TestWithParam<Kind> {
 protected:
  template <class Spoil>
  void open_anew(std::string_view what, const Spoil& spoil) {
    for (const Hints hints : {Hints::kept, Hints::lost}) {
      if (hints == Hints::lost && !is_pack(GetParam())) continue;
      {
        Case spoilt(specimen_, what);
        spoil(spoilt);
        spoilt.ask_anew(hints, Opening::must_succeed, Others::must_be_right);
      }
      specimen_.restore();
    }
  }

  // Of about that many, one after another, none twice.
  static std::uint64_t step_for(std::uint64_t all, std::uint64_t wanted) {
    return std::max<std::uint64_t>(1, one_in * all / rounds(wanted)) | 1;
  }

  Specimen specimen_{GetParam(), 1};
};

TEST_P(CorruptionAnew, Bits) {
  for (const std::string& file : specimen_.data_files()) {
    const std::uint64_t bits = 8 * specimen_.bytes(file).size();
    const std::uint64_t step = step_for(bits, bits > 1'000'000 ? 10 : 100);
    for (std::uint64_t bit = 0; bit < bits && !HasFailure(); bit += step) {
      open_anew("a flipped bit", [&](Case& spoilt) { spoilt.flip(file, bit); });
    }
  }
}

TEST_P(CorruptionAnew, Lengths) {
  for (const std::string& file : specimen_.data_files()) {
    const std::uint64_t size = specimen_.bytes(file).size();
    const std::uint64_t step = step_for(size, size > 100'000 ? 10 : 50);
    for (std::uint64_t length = 0; length < size && !HasFailure(); length += step) {
      open_anew("cut short", [&](Case& spoilt) { spoilt.cut(file, length); });
    }
  }
}

TEST_P(CorruptionAnew, Sectors) {
  const std::string zeros(sector_bytes, '\0');
  for (const std::string& file : specimen_.data_files()) {
    const std::string& bytes = specimen_.bytes(file);
    const std::uint64_t step =
        sector_bytes * step_for(bytes.size() / sector_bytes, bytes.size() > 100'000 ? 10 : 50);
    for (std::uint64_t at = 0; at < bytes.size() && !HasFailure(); at += step) {
      // Both headers of a segment are in its first sector: with that, all of it is gone.
      const bool is_head = at == 0 && file.ends_with(".seg");
      open_anew("a sector of zeros", [&](Case& spoilt) {
        spoilt.overwrite(file, at, is_head ? std::string(bytes.size(), '\0') : zeros);
      });
      if (at == 0) continue;
      open_anew("a sector of another place", [&](Case& spoilt) {
        spoilt.overwrite(file, at, std::string_view(bytes).substr(at / 2, sector_bytes));
      });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Of, CorruptionAnew,
                         ::testing::Values(Kind::larder, Kind::vyre, Kind::pack, Kind::zstd_pack),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

// Every byte of what says that a segment is full and on the disk: a rebuild that believed a spoilt
// summary would lose entries, or find some that never were.
TEST(CorruptionOfEnds, EveryByteOfSummaryFooterAndTrailer) {
  Specimen specimen(Kind::pack, 1);
  const std::string file = "segments/" + format::segment_name(1);
  const std::uint64_t size = specimen.bytes(file).size();
  std::uint64_t records_end = 0;
  for (const std::uint32_t number : {11u, 12u, 13u}) {
    records_end = std::max(records_end, specimen.places(number).back().until);
  }
  ASSERT_LT(records_end, size);
  for (std::uint64_t at = records_end; at < size && !testing::Test::HasFailure(); at += one_in) {
    {
      Case spoilt(specimen, "a flipped bit of the end");
      spoilt.flip(file, 8 * at + at % 8);
      spoilt.ask_anew(Hints::lost, Opening::must_succeed, Others::must_be_right);
    }
    specimen.restore();
  }
}

}  // namespace
}  // namespace larder::corruption
