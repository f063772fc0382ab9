// Damage to whole files and blocks of a pack store, and to its hints: `state` and the index. Hints
// cost nothing but time; a slot of the index costs its own entry, until the next put of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "base/byte_order.h"
#include "format/pack_index.h"
#include "tests/endurance/pack_specimen.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t block_bytes = 4096;
constexpr std::size_t sector_bytes = 512;

class PackDamage : public ::testing::Test {
 protected:
  fs::path path(const std::string& name) const { return specimen_.directory().root() / name; }
  const std::string& sound(const std::string& name) const { return specimen_.sound().at(name); }

  // Everything is there, and stays there when it is put again.
  void check_all(const std::string& what) {
    specimen_.check({}, Index::kept, what);
    specimen_.restore();
  }

  void check_file(const std::string& name, const std::string& bytes, const std::string& what) {
    write_bytes(path(name), bytes);
    check_all(name + ": " + what);
  }

  // Only the records in `ranges` may be lost.
  void check_segment(std::uint32_t number, const std::string& bytes,
                     const std::vector<Range>& ranges, const std::string& what) {
    for (const Index index : {Index::kept, Index::lost}) {
      write_bytes(path(segment_path(number)), bytes);
      specimen_.check({.segment = number, .ranges = ranges}, index, what);
      specimen_.restore();
    }
  }

  // The entry whose slot was hit may be missed; put again, it is there.
  void check_slot(std::uint64_t slot, const std::string& bytes, const std::string& what) {
    const std::string name = specimen_.index_name();
    write_bytes(path(name), bytes);
    const auto store = specimen_.directory().open();
    ASSERT_TRUE(store);
    std::size_t lost = 0;
    for (const auto& [number, values] : specimen_.values()) {
      const std::string found = text_of(*store, numbered(number));
      if (found == values.back()) continue;
      ++lost;
      EXPECT_TRUE(found == "absent" || found == "error: corrupt")
          << what << ": entry " << number << " is " << found;
    }
    EXPECT_LE(lost, 1u) << what << " of slot " << slot;
    EXPECT_TRUE(store->remove(numbered(2))) << what;
    EXPECT_EQ(text_of(*store, numbered(2)), "absent") << what;
    for (const auto& [number, values] : specimen_.values()) {
      const auto put = store->put(numbered(number), bytes_of(values.back()));
      EXPECT_TRUE(put) << what << ": " << (put ? "" : put.error().message);
      EXPECT_EQ(text_of(*store, numbered(number)), values.back()) << what;
      EXPECT_TRUE(store->remove(numbered(number)).value()) << what;
      EXPECT_EQ(text_of(*store, numbered(number)), "absent") << what;
    }
  }

  Specimen specimen_;
};

TEST_F(PackDamage, BitsOfTheState) {
  make_tiny(specimen_);
  const std::string& sound_state = sound("state");
  for (std::uint64_t bit = 0; bit < 8 * sound_state.size() && !HasFailure();) {
    std::string state = sound_state;
    state[bit / 8] = static_cast<char>(state[bit / 8] ^ 1 << bit % 8);
    check_file("state", state, "bit " + std::to_string(bit));
    bit += bit < 400 * 8 || rounds(1) > 1 ? 1 : 487;
  }
}

TEST_F(PackDamage, LengthsOfTheState) {
  make_tiny(specimen_);
  const std::string state = sound("state");
  for (std::size_t length = 0; length < state.size(); length += length < 300 ? 7 : 61) {
    check_file("state", state.substr(0, length), "cut to " + std::to_string(length));
  }
}

TEST_F(PackDamage, BitsOfTheHeaderOfTheIndex) {
  make_tiny(specimen_);
  const std::string index = specimen_.index_name();
  for (std::uint64_t bit = 0; bit < 8 * format::index_header_bytes && !HasFailure();) {
    std::string bytes = sound(index);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    check_file(index, bytes, "bit " + std::to_string(bit));
    bit += bit < 128 * 8 || rounds(1) > 1 ? 1 : 487;
  }
}

TEST_F(PackDamage, LengthsOfTheIndex) {
  make_tiny(specimen_);
  const std::string index = specimen_.index_name();
  for (std::size_t length = 0; length < sound(index).size(); length += 997) {
    check_file(index, sound(index).substr(0, length), "cut to " + std::to_string(length));
  }
}

TEST_F(PackDamage, BitsOfEveryUsedSlot) {
  make_tiny(specimen_);
  const std::string index = sound(specimen_.index_name());
  for (std::uint64_t at = format::index_header_bytes; at < index.size(); at += format::slot_bytes) {
    const std::string_view slot = std::string_view(index).substr(at, format::slot_bytes);
    if (slot.find_first_not_of('\0') == std::string_view::npos) continue;
    for (std::uint64_t bit = 8 * at; bit < 8 * (at + format::slot_bytes); ++bit) {
      std::string bytes = index;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
      check_slot((at - format::index_header_bytes) / format::slot_bytes, bytes,
                 "bit " + std::to_string(bit % 128));
      specimen_.restore();
      if (HasFailure()) return;
    }
  }
}

TEST_F(PackDamage, ZeroedSectors) {
  make_large(specimen_);
  for (const auto& [number, records] : specimen_.records()) {
    const std::string& segment = sound(segment_path(number));
    for (std::size_t at = 0; at < segment.size() && !HasFailure(); at += sector_bytes) {
      const bool is_dull = at > 3 * block_bytes && at + 3 * block_bytes < segment.size();
      if (is_dull && at % (64 * sector_bytes) != 0) continue;
      std::string bytes = segment;
      const std::size_t end = std::min(at + sector_bytes, bytes.size());
      std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                bytes.begin() + static_cast<std::ptrdiff_t>(end), '\0');
      // Both headers of a segment are in its first sector.
      const Range hit{.from = at, .until = at == 0 ? ~0ull : end};
      check_segment(number, bytes, {hit}, "zeros at " + std::to_string(at));
    }
  }
}

// Where many entries share a way through the index, a lost sector of it hides those behind it. They
// are put again, into other slots; then nothing leads to what they were before.
TEST(PackIndexDamage, ZeroedSectors) {
  constexpr std::uint32_t entries = 2500;
  PackDirectory directory;
  const auto value = [](std::uint32_t number, const char* of) {
    return of + std::to_string(number);
  };
  const auto put_all = [&](Store& store, const char* of) {
    for (std::uint32_t i = 0; i < entries; ++i) {
      ASSERT_TRUE(store.put(numbered(i), bytes_of(value(i, of))));
    }
    ASSERT_TRUE(store.flush());
  };
  put_all(*directory.open(), "old ");
  const std::string index = read_bytes(directory.index());
  for (std::size_t at = format::index_header_bytes; at < index.size(); at += 16 * sector_bytes) {
    std::string bytes = read_bytes(directory.index());
    bytes.replace(at, sector_bytes, sector_bytes, '\0');
    write_bytes(directory.index(), bytes);
  }
  const auto store = directory.open();
  std::size_t lost = 0;
  for (std::uint32_t i = 0; i < entries; ++i) lost += text_of(*store, numbered(i)) == "absent";
  EXPECT_GT(lost, 0u);
  put_all(*store, "new ");
  for (std::uint32_t i = 0; i < entries; ++i) {
    ASSERT_EQ(text_of(*store, numbered(i)), value(i, "new "));
    ASSERT_TRUE(store->remove(numbered(i)).value());
    ASSERT_EQ(text_of(*store, numbered(i)), "absent");
  }
}

TEST_F(PackDamage, SwappedBlocks) {
  make_large(specimen_);
  const std::string& segment = sound(segment_path(0));
  const std::size_t blocks = segment.size() / block_bytes;
  for (std::size_t i = 0; i < 40; ++i) {
    const std::size_t one = 1 + i * 7 % (blocks - 1);
    const std::size_t other = 1 + i * 31 % (blocks - 1);
    std::string bytes = segment;
    std::swap_ranges(bytes.begin() + static_cast<std::ptrdiff_t>(one * block_bytes),
                     bytes.begin() + static_cast<std::ptrdiff_t>((one + 1) * block_bytes),
                     bytes.begin() + static_cast<std::ptrdiff_t>(other * block_bytes));
    check_segment(0, bytes,
                  {{one * block_bytes, (one + 1) * block_bytes},
                   {other * block_bytes, (other + 1) * block_bytes}},
                  "blocks " + std::to_string(one) + " and " + std::to_string(other));
  }
}

TEST_F(PackDamage, GarbageForHints) {
  make_tiny(specimen_);
  const std::string garbage = payload_of(100'000, 99);
  check_file("state", garbage, "garbage");
  check_file("state", garbage.substr(0, 4096), "garbage");
  check_file("state", "", "nothing");
  check_file(specimen_.index_name(), garbage, "garbage");
  check_file(specimen_.index_name(), "", "nothing");
  check_file(format::index_name(1ull << 40), sound(specimen_.index_name()), "another one");
  check_file("segments/zzzz", garbage, "no segment");
  check_file("segments/000000ff.seg", garbage, "no segment");
  check_file("segments/00000000.00000010.bad", sound(segment_path(0)).substr(0, 500), "a bad one");
  fs::create_directory(path("segments/000000fe.seg"));
  check_all("a directory for a segment");
  fs::remove(path("segments/000000fe.seg"));
}

TEST_F(PackDamage, LostHints) {
  make_tiny(specimen_);
  fs::remove(path("state"));
  check_all("no state");
  fs::remove(path(specimen_.index_name()));
  check_all("no index");
  fs::remove(path(specimen_.index_name()));
  fs::remove(path("state"));
  check_all("neither");
}

// An index that is of another time, but of this store and generation.
TEST_F(PackDamage, AStaleIndexAfterAnUncleanEnd) {
  make_tiny(specimen_);
  const std::string index = specimen_.index_name();
  std::string empty = sound(index);
  std::fill(empty.begin() + format::index_header_bytes, empty.end(), '\0');
  std::string state = sound("state");
  state[format::state_words_at] = 1;
  write_bytes(path("state"), state);
  check_file(index, empty, "empty, and dirty");
}

TEST_F(PackDamage, AMarkerOfAnotherKindIsLeftAlone) {
  make_tiny(specimen_);
  const std::string id = "id " + std::string(32, 'a') + "\n";
  for (const std::string& marker :
       {"larder store\nkind file\nversion 1\n" + id, "larder store\nkind pack\nversion 2\n" + id,
        "larder store\nkind tape\nversion 1\n" + id}) {
    write_bytes(path("LARDER"), marker);
    const auto before = specimen_.directory().snapshot();
    EXPECT_FALSE(open_pack_store(specimen_.directory().options));
    EXPECT_EQ(specimen_.directory().snapshot(), before);
    specimen_.restore();
  }
}

// What is in a segment of another number, or store, is no record of this one.
class ForeignSegments : public PackDamage {
 protected:
  void SetUp() override { make_large(specimen_); }

  // All of `lost` may be lost, nothing else, and nothing else comes up.
  void check(const std::vector<std::uint32_t>& lost, const std::string& what) {
    for (const Index index : {Index::kept, Index::lost}) {
      const auto before = specimen_.directory().snapshot();
      if (index == Index::lost) {
        specimen_.directory().forget_index();
        specimen_.directory().forget_state();
      }
      {
        const auto store = specimen_.directory().open();
        for (const auto& [number, values] : specimen_.values()) {
          const std::string found = text_of(*store, numbered(number));
          if (found == values.back()) continue;
          EXPECT_TRUE(std::ranges::count(lost, segment_of(number)) > 0) << what << ": " << number;
          const bool is_old = std::ranges::count(values, found) > 0 && index == Index::lost;
          EXPECT_TRUE(found == "absent" || found == "error: corrupt" || is_old) << what;
        }
        EXPECT_EQ(text_of(*store, numbered(1000)), "absent") << what;
      }
      specimen_.directory().restore(before);
    }
    specimen_.restore();
  }

  // Of its newest record.
  std::uint32_t segment_of(std::uint32_t entry) const {
    std::uint32_t segment = 0;
    std::uint64_t newest = 0;
    for (const auto& [number, records] : specimen_.records()) {
      for (const PlacedRecord& placed : records) {
        if (placed.record.fingerprint != numbered(entry)) continue;
        if (placed.record.sequence < newest) continue;
        newest = placed.record.sequence;
        segment = number;
      }
    }
    return segment;
  }
};

TEST_F(ForeignSegments, ExchangedNames) {
  fs::rename(path(segment_path(0)), path("segments/x"));
  fs::rename(path(segment_path(1)), path(segment_path(0)));
  fs::rename(path("segments/x"), path(segment_path(1)));
  check({0, 1}, "exchanged");
}

TEST_F(ForeignSegments, ACopyUnderAnotherNumber) {
  fs::copy_file(path(segment_path(0)), path(segment_path(7)));
  check({}, "a copy");
  fs::copy_file(path(segment_path(0)), path("segments/00000001.00004000.bad"));
  check({}, "a bad copy");
}

TEST_F(ForeignSegments, OneThatIsGone) {
  fs::remove(path(segment_path(1)));
  check({1}, "the last one gone");
  fs::remove(path(segment_path(0)));
  check({0}, "the first one gone");
}

TEST_F(ForeignSegments, OneOfAnotherStore) {
  PackDirectory other;
  {
    const auto store = other.open();
    ASSERT_TRUE(store->put(numbered(1000), bytes_of("foreign")));
    ASSERT_TRUE(store->put(numbered(1), bytes_of("foreign")));
    ASSERT_TRUE(store->flush());
  }
  fs::copy_file(other.segment(0), path(segment_path(9)));
  check({}, "a new number");
  fs::copy_file(other.segment(0), path(segment_path(1)), fs::copy_options::overwrite_existing);
  check({1}, "in the place of another one");
}

}  // namespace
}  // namespace larder
