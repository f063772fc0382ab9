// Spoilt entries and segments, each asked about by a store that is open already: every
// bit, every length, every sector, every wrong name and place, and random damage up to a number of
// cases that is printed. corruption_anew_test.cc opens the store anew after each;
// corruption_hints_test.cc spoils what is no truth: index, state, marker, lock file.
//
// LARDER_TORTURE=100 makes a hundred times as many random cases; LARDER_SEED replays them.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/endurance/corruption.h"
#include "tests/endurance/pack_directory.h"

namespace larder::corruption {
namespace {

// The sum of all tests of this program, when all were asked for.
class Total : public ::testing::Environment {
 public:
  void TearDown() override {
    std::printf("%llu cases, LARDER_SEED=%llu\n", static_cast<unsigned long long>(cases()),
                static_cast<unsigned long long>(seed()));
    const auto* const unit = ::testing::UnitTest::GetInstance();
    if (unit->test_to_run_count() == unit->total_test_count() && unit->Passed()) {
      EXPECT_GE(cases(), one_in == 1 ? 1'000'000u : 50'000u);
    }
  }
};
const auto* const total = ::testing::AddGlobalTestEnvironment(new Total);

class Corruption : public ::testing::TestWithParam<Kind> {
 protected:
  Corruption() : specimen_(GetParam(), 1), other_(GetParam(), 2) {
    store_ = specimen_.open(Access::read_only).value();
    for (const Entry& entry : specimen_.entries()) {
      EXPECT_EQ(ask(*store_, entry), entry.is_removed ? Answer::missing : Answer::right);
    }
  }

  void TearDown() override {
    for (const auto& [name, file] : specimen_.files()) {
      EXPECT_TRUE(read_bytes(file.path) == file.bytes) << name << " was not put right again";
    }
    std::printf("%s: %llu cases so far\n", std::string(name_of(GetParam())).c_str(),
                static_cast<unsigned long long>(cases()));
  }

  void ask_open(const Case& spoilt) const { spoilt.ask_open(*store_, Others::must_be_right); }

  // Of what a get reads; the large ones take part in sectors and random damage.
  std::vector<Place> small_places() const {
    std::vector<Place> all;
    for (const Entry& entry : specimen_.entries()) {
      for (const Place& place : specimen_.places(entry.number)) {
        if (place.until - place.from < 10'000) all.push_back(place);
      }
    }
    return all;
  }

  void spoil_sector(const std::string& file, std::uint64_t at);

  Specimen specimen_;
  Specimen other_;
  std::shared_ptr<Store> store_;
};

TEST_P(Corruption, EveryBit) {
  for (const Place& place : small_places()) {
    for (std::uint64_t bit = 8 * place.from; bit < 8 * place.until && !HasFailure();
         bit += one_in) {
      Case spoilt(specimen_, "a flipped bit");
      spoilt.flip(place.file, bit);
      ask_open(spoilt);
    }
  }
}

TEST_P(Corruption, EveryLength) {
  for (const std::string& file : specimen_.data_files()) {
    const std::uint64_t size = specimen_.bytes(file).size();
    const std::uint64_t step = size > 100'000 ? 509 : one_in;
    for (std::uint64_t length = 0; length < size && !HasFailure(); length += step) {
      Case spoilt(specimen_, "cut short");
      spoilt.cut(file, length);
      ask_open(spoilt);
    }
    for (std::uint64_t more = 1; more <= 300 && !HasFailure(); ++more) {
      Case spoilt(specimen_, "longer, by zeros");
      spoilt.cut(file, size + more);
      ask_open(spoilt);
    }
  }
}

// Zeros, ones, the same sector of another file of this or of another store.
void Corruption::spoil_sector(const std::string& file, std::uint64_t at) {
  const auto replace = [&](std::string_view what, std::string_view bytes) {
    Case spoilt(specimen_, what);
    spoilt.overwrite(file, at, bytes);
    ask_open(spoilt);
  };
  replace("a sector of zeros", std::string(sector_bytes, '\0'));
  replace("a sector of ones", std::string(sector_bytes, '\xff'));
  for (const Specimen* const from : {&std::as_const(specimen_), &std::as_const(other_)}) {
    for (const std::string& name : from->data_files()) {
      const std::string& bytes = from->bytes(name);
      // The same entry of another store is as good as this one, in a store of files.
      if (bytes.size() <= at || (from == &other_ && name == file)) continue;
      replace("a sector of another file", std::string_view(bytes).substr(at, sector_bytes));
    }
  }
}

TEST_P(Corruption, EverySector) {
  for (const std::string& file : specimen_.data_files()) {
    const std::string& bytes = specimen_.bytes(file);
    for (std::uint64_t at = 0; at < bytes.size() && !HasFailure(); at += sector_bytes) {
      spoil_sector(file, at);
      const std::uint64_t step = bytes.size() > 100'000 ? 61 * sector_bytes : sector_bytes;
      for (std::uint64_t with = at + sector_bytes; with < bytes.size(); with += step) {
        Case spoilt(specimen_, "two exchanged sectors");
        spoilt.overwrite(file, at, std::string_view(bytes).substr(with, sector_bytes));
        spoilt.overwrite(file, with, std::string_view(bytes).substr(at, sector_bytes));
        ask_open(spoilt);
      }
    }
  }
}

// Several things at once, of every size, and what stands in one place put into another.
TEST_P(Corruption, RandomDamage) {
  std::mt19937_64 random(seed());
  const std::vector<std::string> files = specimen_.data_files();
  std::vector<std::string> small = files;
  std::erase_if(small, [&](const auto& file) { return specimen_.bytes(file).size() > 100'000; });
  const auto source = [&](std::size_t length) -> std::string {
    const std::string& bytes = random() % 2 == 0 ? specimen_.bytes(files[random() % files.size()])
                                                 : other_.bytes(other_.data_files()[0]);
    if (bytes.size() <= length) return bytes;
    return bytes.substr(random() % (bytes.size() - length), length);
  };
  const auto spoil = [&](std::size_t length) -> std::string {
    switch (random() % 4) {
      case 0: return std::string(length, '\0');
      case 1: return std::string(length, '\xff');
      case 2: return random_bytes(random, length);
      default: return source(length);
    }
  };
  const std::uint64_t wanted = cases() + rounds(160'000) / one_in;
  while (cases() < wanted && !HasFailure()) {
    Case spoilt(specimen_, "random damage");
    for (std::uint64_t i = random() % 3 + 1; i > 0; --i) {
      // Large files cost much, and few of the cases shall be about them.
      const auto& among = random() % 128 == 0 ? files : small;
      const std::string& file = among[random() % among.size()];
      const std::uint64_t size = specimen_.bytes(file).size();
      if (size > 0) spoilt.overwrite(file, random() % size, spoil(1u << random() % 10));
    }
    ask_open(spoilt);
  }
}

INSTANTIATE_TEST_SUITE_P(Of, Corruption,
                         ::testing::Values(Kind::larder, Kind::vyre, Kind::pack, Kind::zstd_pack),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

// Good entries under names that are not theirs. The vyre layout does not promise this one.
TEST(CorruptionOfNames, AGoodEntryIsWorthNothingUnderAnotherName) {
  const Specimen specimen(Kind::larder, 1);
  const Specimen other(Kind::larder, 2);
  const auto store = specimen.open(Access::read_only).value();
  for (const Entry& entry : specimen.entries()) {
    if (entry.is_removed) continue;
    const std::string& file = specimen.places(entry.number)[0].file;
    for (const Specimen* const from : {&specimen, &other}) {
      for (const std::string& name : from->data_files()) {
        if (name == file) continue;
        Case spoilt(specimen, "another entry's file");
        spoilt.become(file, from->bytes(name));
        spoilt.ask_open(*store, Others::must_be_right);
        EXPECT_EQ(ask(*store, entry), Answer::missing) << spoilt.describe();
      }
    }
  }
}

// Good records where they were not written, with the index leading there: not one is an entry.
class CorruptionOfPlaces : public ::testing::TestWithParam<Kind> {
 protected:
  static constexpr std::uint64_t unit = format::pack_unit_bytes;

  CorruptionOfPlaces() : specimen_(GetParam(), 1), other_(GetParam(), 2) {}

  std::string record(const Specimen& of, std::uint32_t number) const {
    const Place& place = of.places(number).back();
    return of.bytes(place.file).substr(place.from, place.until - place.from);
  }

  // Where the slot of an entry is in the index.
  std::uint64_t slot_of(std::uint32_t number) const {
    const std::string& index = specimen_.bytes(specimen_.index_file());
    const std::uint64_t word = location_of(number).word();
    for (std::uint64_t at = format::index_header_bytes; at < index.size();
         at += format::slot_bytes) {
      if ((word_at(index, at + 8) & format::place_mask) == word) return at + 8;
    }
    ADD_FAILURE() << "no slot leads to entry " << number;
    return 0;
  }

  format::Location location_of(std::uint32_t number) const {
    const Place& place = specimen_.places(number).back();
    const auto header = format::parse_segment_name(place.file.substr(place.file.rfind('/') + 1));
    for (const PlacedRecord& placed : records_of(specimen_.files().at(place.file).path)) {
      if (placed.offset != place.from) continue;
      return {.segment = header->number,
              .place = static_cast<std::uint32_t>(place.from / unit),
              .units = static_cast<std::uint32_t>((placed.record.hit_bytes() + unit - 1) / unit)};
    }
    return {};
  }

  static std::uint64_t word_at(const std::string& bytes, std::uint64_t at) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    return word;
  }

  void move_everywhere(const Specimen& from, std::uint32_t number) {
    const std::string bytes = record(from, number);
    format::Location location = location_of(number);
    const std::uint32_t home = location.place;
    const std::uint64_t slot = slot_of(number);
    const auto store = specimen_.open(Access::read_only).value();
    const Entry& entry = *std::ranges::find(specimen_.entries(), number, &Entry::number);
    for (std::uint32_t segment = 0; segment < 2; ++segment) {
      const std::string file = "segments/" + format::segment_name(segment);
      const std::uint64_t size = specimen_.bytes(file).size();
      for (std::uint64_t at = format::records_at; at + bytes.size() <= size; at += unit) {
        const bool is_home = file == specimen_.places(number).back().file && at == home * unit;
        if (is_home && &from == &specimen_) continue;
        location.segment = segment;
        location.place = static_cast<std::uint32_t>(at / unit);
        const std::uint64_t word = location.word();
        Case spoilt(specimen_, "a record in another place");
        spoilt.overwrite(file, at, bytes);
        spoilt.overwrite(specimen_.index_file(), slot,
                         {reinterpret_cast<const char*>(&word), sizeof word});
        spoilt.ask_open(*store, Others::may_be_missing);
        EXPECT_EQ(ask(*store, entry), Answer::missing) << spoilt.describe();
        if (HasFailure()) return;
      }
    }
  }

  const Specimen specimen_;
  const Specimen other_;
};

TEST_P(CorruptionOfPlaces, ARecordIsWorthNothingElsewhere) {
  for (const std::uint32_t number : {1u, 2u, 4u, 5u, 11u, 12u}) move_everywhere(specimen_, number);
}

TEST_P(CorruptionOfPlaces, ARecordOfAnotherStoreIsWorthNothing) {
  for (const std::uint32_t number : {1u, 2u, 4u, 5u, 11u, 12u}) move_everywhere(other_, number);
}

INSTANTIATE_TEST_SUITE_P(Of, CorruptionOfPlaces, ::testing::Values(Kind::pack, Kind::zstd_pack),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

}  // namespace
}  // namespace larder::corruption
