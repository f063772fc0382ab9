// Spoilt hints: the index, `state`, the marker, the lock file. Nothing that they say is believed
// before a record verified it, so that they cost time, or their own entries, and never a wrong
// byte.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/endurance/corruption.h"
#include "tests/endurance/pack_directory.h"

namespace larder::corruption {
namespace {

using Hints = Case::Hints;
using Opening = Case::Opening;

std::string_view text_of_word(const std::uint64_t& word) {
  return {reinterpret_cast<const char*>(&word), sizeof word};
}

class CorruptionOfHints : public ::testing::Test {
 protected:
  const std::string& index() const { return specimen_.bytes(index_); }

  // Of the slots in use, where their tags are.
  std::vector<std::uint64_t> used_slots() const {
    std::vector<std::uint64_t> used;
    for (std::uint64_t at = format::index_header_bytes; at < index().size();
         at += format::slot_bytes) {
      if (index().compare(at, format::slot_bytes, std::string(format::slot_bytes, '\0')) != 0) {
        used.push_back(at);
      }
    }
    return used;
  }

  void ask_open(const Case& spoilt) const { spoilt.ask_open(*store_, Others::may_be_missing); }

  void ask_anew(const std::string& file, std::string_view what, std::string_view bytes,
                Others others = Others::may_be_missing) {
    {
      Case spoilt(specimen_, what);
      spoilt.become(file, bytes);
      spoilt.ask_anew(Hints::kept, Opening::must_succeed, others);
    }
    specimen_.restore();
  }

  // Open beside the damage, until it is closed for good.
  void open() { store_ = specimen_.open(Access::read_only).value(); }

  std::mt19937_64 random_{seed()};
  Specimen specimen_{Kind::pack, 1};
  const std::string index_ = specimen_.index_file();
  std::shared_ptr<Store> store_;
};

TEST_F(CorruptionOfHints, EveryBitOfEveryUsedSlot) {
  open();
  for (const std::uint64_t at : used_slots()) {
    for (std::uint64_t bit = 8 * at; bit < 8 * (at + format::slot_bytes); bit += one_in) {
      Case spoilt(specimen_, "a bit of a slot");
      spoilt.flip(index_, bit);
      ask_open(spoilt);
    }
  }
}

// A slot that leads to every place of both segments, and of one that is not there, with right and
// wrong lengths.
TEST_F(CorruptionOfHints, SlotsThatLeadAnywhere) {
  open();
  for (const std::uint64_t at : used_slots()) {
    for (std::uint32_t segment = 0; segment < 3 && !HasFailure(); ++segment) {
      const auto found = specimen_.files().find("segments/" + format::segment_name(segment));
      const std::uint64_t size =
          found == specimen_.files().end() ? 1024 : found->second.bytes.size();
      for (std::uint32_t place = 0; place * 64 < size + 256; place += one_in) {
        for (const std::uint32_t units : {0u, 3u, 5u, 82u, 0x1ffffu}) {
          const std::uint64_t word =
              format::Location{.segment = segment, .place = place, .units = units}.word();
          Case spoilt(specimen_, "a slot that leads elsewhere");
          spoilt.overwrite(index_, at + 8, text_of_word(word));
          ask_open(spoilt);
        }
      }
    }
  }
}

TEST_F(CorruptionOfHints, GarbageInTheIndexOfAnOpenStore) {
  open();
  const auto tag_and_any = [&](std::uint64_t at) {
    return index().substr(at, 8) + random_bytes(random_, 8);
  };
  const std::vector<std::uint64_t> used = used_slots();
  const std::uint64_t wanted = cases() + rounds(20'000) / one_in;
  const std::uint64_t slots = (index().size() - format::index_header_bytes) / format::slot_bytes;
  while (cases() < wanted && !HasFailure()) {
    Case spoilt(specimen_, "garbage in the index");
    const std::uint64_t slot = random_() % slots * format::slot_bytes + format::index_header_bytes;
    const std::uint64_t at = random_() % 2 == 0 ? slot : used[random_() % used.size()];
    switch (random_() % 4) {
      case 0: spoilt.overwrite(index_, at, random_bytes(random_, 16u << random_() % 8)); break;
      case 1: spoilt.overwrite(index_, at, std::string(16u << random_() % 8, '\xff')); break;
      case 2: spoilt.overwrite(index_, at, tag_and_any(used[random_() % used.size()])); break;
      default: spoilt.overwrite(index_, at, std::string(16u << random_() % 8, '\0'));
    }
    ask_open(spoilt);
  }
}

TEST_F(CorruptionOfHints, AnIndexWithoutEnd) {
  open();
  for (const char fill : {'\xff', '\x01', '\0'}) {
    Case spoilt(specimen_, "an index of one byte");
    spoilt.overwrite(index_, format::index_header_bytes,
                     std::string(index().size() - format::index_header_bytes, fill));
    ask_open(spoilt);
  }
  // Each slot has the tag of one entry: none is free, and all lead somewhere.
  for (const std::uint64_t at : used_slots()) {
    std::string crowded;
    while (crowded.size() < index().size() - format::index_header_bytes) {
      crowded += index().substr(at, 8) + random_bytes(random_, 8);
    }
    Case spoilt(specimen_, "an index of one tag");
    spoilt.overwrite(index_, format::index_header_bytes, crowded);
    ask_open(spoilt);
  }
}

TEST_F(CorruptionOfHints, EveryBitOfTheStateOfAnOpenStore) {
  open();
  for (std::uint64_t bit = 0; bit < 8 * 512 && !HasFailure(); bit += one_in) {
    Case spoilt(specimen_, "a bit of the state");
    spoilt.flip("state", bit);
    ask_open(spoilt);
  }
}

TEST_F(CorruptionOfHints, AnIndexThatIsFoundSpoilt) {
  for (std::uint64_t i = 0; i < rounds(60) / one_in && !HasFailure(); ++i) {
    ask_anew(index_, "random bytes", random_bytes(random_, random_() % 100'000));
    std::string some = index();
    const std::uint64_t at = random_() % some.size();
    const std::string bytes =
        random_bytes(random_, std::min<std::uint64_t>(1u << random_() % 14, some.size() - at));
    some.replace(at, bytes.size(), bytes);
    ask_anew(index_, "some random bytes", some);
    ask_anew(index_, "cut short", index().substr(0, random_() % index().size()));
    for (const std::uint64_t slot : used_slots()) {
      const std::string word = random_bytes(random_, 8);
      some.replace(slot + 8, 8, word);
    }
    ask_anew(index_, "slots that lead anywhere", some);
  }
}

// What has no right check costs nothing but time; what has one is believed, and may cost entries.
TEST_F(CorruptionOfHints, AStateThatIsFoundSpoilt) {
  const std::string& sound = specimen_.bytes("state");
  for (std::uint64_t i = 0; i < rounds(200) / one_in && !HasFailure(); ++i) {
    std::string state = sound;
    const std::uint64_t from = i % 2 == 0 ? 0 : format::state_words_at;
    const std::uint64_t at = from + random_() % (448 - from) / 8 * 8;
    const std::uint64_t word = random_() % 3 == 0 ? ~0ull : random_() >> random_() % 64;
    state.replace(at, 8, text_of_word(word));
    ask_anew("state", "a word of the state", state, Others::must_be_right);
    std::vector<std::uint64_t> words(format::state_words);
    std::memcpy(words.data(), state.data() + format::state_words_at, 8 * words.size());
    words[0] = words[1] = 0;
    const std::uint64_t check = format::check_of_words(std::span<const std::uint64_t>(words));
    state.replace(format::state_words_at, 8, std::string(8, '\0'));
    state.replace(format::state_words_at + 8, 8, text_of_word(check));
    // The generation is the name of the index, and the next numbers are believed in a clean state.
    ask_anew("state", "a word of a clean state", state);
    ask_anew("state", "random bytes", random_bytes(random_, 4096), Others::must_be_right);
    ask_anew("state", "cut short", sound.substr(0, random_() % sound.size()),
             Others::must_be_right);
  }
}

// A marker has no check of its own. Whatever it says, nothing that is there is destroyed: put
// right, it leads to all entries again.
class CorruptionOfMarkers : public ::testing::TestWithParam<Kind> {
 protected:
  void check(const std::string& marker) {
    {
      Case spoilt(specimen_, "the marker");
      spoilt.become("LARDER", marker);
      if (!spoilt.is_one()) return;
      const auto store = specimen_.open(Access::read_write);
      for (const Entry& entry : specimen_.entries()) {
        if (!store) break;
        const Answer answer = ask(**store, entry);
        EXPECT_TRUE(answer == Answer::missing || answer == Answer::right) << spoilt.describe();
      }
    }
    write_bytes(specimen_.root() / "LARDER", specimen_.bytes("LARDER"));
    const auto store = specimen_.open(Access::read_write);
    ASSERT_TRUE(store) << marker;
    for (const Entry& entry : specimen_.entries()) {
      EXPECT_EQ(ask(**store, entry), entry.is_removed ? Answer::missing : Answer::right)
          << entry.number << " after the marker was " << marker;
    }
  }

  Specimen specimen_{GetParam(), 1};
};

TEST_P(CorruptionOfMarkers, NothingIsDestroyed) {
  const std::string sound = specimen_.bytes("LARDER");
  for (std::uint64_t bit = 0; bit < 8 * sound.size() && !HasFailure(); bit += one_in) {
    std::string marker = sound;
    marker[bit / 8] = static_cast<char>(marker[bit / 8] ^ 1 << bit % 8);
    check(marker);
    specimen_.restore();
  }
  for (std::uint64_t length = 0; length < sound.size() && !HasFailure(); ++length) {
    check(sound.substr(0, length));
    specimen_.restore();
  }
}

INSTANTIATE_TEST_SUITE_P(Of, CorruptionOfMarkers, ::testing::Values(Kind::larder, Kind::pack),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

// Counters and what is known of the disk's use: lost, never misread.
TEST(CorruptionOfLocks, EveryBitAndLength) {
  for (const Kind kind : {Kind::larder, Kind::pack}) {
    Specimen specimen(kind, 1);
    {
      const auto store = specimen.open(Access::read_write).value();
      ASSERT_TRUE(store->add_statistics({.lookups = 7, .hits = 3, .absent = 4}));
      ASSERT_TRUE(store->flush());
    }
    const auto path = specimen.root() / ".larder-lock";
    const std::string sound = read_bytes(path);
    const auto check = [&](const std::string& bytes, const std::string& what) {
      write_bytes(path, bytes);
      const auto store = specimen.open(Access::read_write).value();
      const auto kept = store->statistics();
      ASSERT_TRUE(kept) << what;
      EXPECT_TRUE(kept->lookups == 7 || kept->lookups == 0) << what << kept->lookups;
      for (const Entry& entry : specimen.entries()) {
        EXPECT_EQ(ask_get(*store, entry), entry.is_removed ? Answer::missing : Answer::right);
      }
    };
    for (std::uint64_t bit = 0; bit < 8 * sound.size(); bit += rounds(1) > 1 ? 1 : 7) {
      std::string bytes = sound;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
      check(bytes, "bit " + std::to_string(bit));
    }
    for (std::uint64_t length = 0; length < sound.size(); length += 3) {
      check(sound.substr(0, length), "cut to " + std::to_string(length));
    }
    check(std::string(sound.size(), '\xff'), "ones");
  }
}

}  // namespace
}  // namespace larder::corruption
