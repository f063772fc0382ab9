// A small pack store, what it should say, and what it may say after somebody damaged its files.
#ifndef LARDER_TESTS_ENDURANCE_PACK_SPECIMEN_H_
#define LARDER_TESTS_ENDURANCE_PACK_SPECIMEN_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/endurance/pack_directory.h"

namespace larder {

struct Range {
  std::uint64_t from = 0;
  std::uint64_t until = 0;

  bool touches(const PlacedRecord& record) const noexcept {
    return from < record.end() && until > record.offset;
  }
};

// What somebody did to one segment; a segment may be hit in several places.
struct Damage {
  std::uint32_t segment = 0;
  std::vector<Range> ranges = {};
  bool is_sealed = false;  // and its summary, or all records, are still there
};

enum class Index { kept, lost };

// A store, what it should say, and where it says so.
class Specimen {
 public:
  void put(std::uint32_t number, const std::string& payload, std::string_view recipe = {}) {
    ASSERT_TRUE(store_->put(numbered(number), bytes_of(payload), {.recipe = recipe}));
    values_[number].push_back(payload);
  }

  void remove(std::uint32_t number) {
    ASSERT_TRUE(store_->remove(numbered(number)).value());
    values_[number].emplace_back("absent");
  }

  void open() { store_ = directory_.open(); }

  void close() {
    ASSERT_TRUE(store_->flush());
    store_.reset();
    sound_ = directory_.snapshot();
    for (const std::filesystem::path& path : directory_.segments()) {
      const auto name = format::parse_segment_name(path.filename().string());
      records_[name->number] = records_of(path);
    }
  }

  // Opens the store as it stands, and compares.
  void check(const Damage& damage, Index index, const std::string& what) {
    if (index == Index::lost) {
      directory_.forget_index();
      directory_.forget_state();
    }
    compare(damage, index, what);
    if (index == Index::kept) restore_index();
  }

  void restore() { directory_.restore(sound_); }
  void restore_file(const std::string& name) const {
    write_bytes(directory_.root() / name, sound_.at(name));
  }
  const PackDirectory& directory() const { return directory_; }
  const PackDirectory::Snapshot& sound() const { return sound_; }
  const std::map<std::uint32_t, std::vector<std::string>>& values() const { return values_; }
  const std::map<std::uint32_t, std::vector<PlacedRecord>>& records() const { return records_; }
  std::string index_name() const {
    const auto found = std::ranges::find_if(
        sound_, [](const auto& file) { return file.first.starts_with("index."); });
    return found->first;
  }

 private:
  void compare(const Damage& damage, Index index, const std::string& what) const {
    const auto store = directory_.open();
    ASSERT_TRUE(store) << what;
    for (const auto& [number, values] : values_) {
      const std::string found = text_of(*store, numbered(number));
      if (found == values.back()) continue;
      const auto allowed = allowed_instead(number, damage, index);
      EXPECT_TRUE(std::ranges::count(allowed, found) > 0)
          << what << (index == Index::lost ? ", without index" : "") << ": entry " << number
          << " is " << found.substr(0, 40);
    }
  }

  // What an open and a close may have changed.
  void restore_index() const {
    for (const std::string& name : {std::string("state"), index_name()}) {
      if (read_bytes(directory_.root() / name) != sound_.at(name)) restore_file(name);
    }
    for (const auto& entry : std::filesystem::directory_iterator(directory_.root())) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("index.") && !sound_.contains(name))
        std::filesystem::remove(entry.path());
    }
  }

  // A record of the entry, and the segment it is in.
  struct Standing {
    std::uint32_t segment = 0;
    const PlacedRecord* record = nullptr;
  };

  static bool hits(const Damage& damage, const Standing& standing) {
    return damage.segment == standing.segment &&
           std::ranges::any_of(damage.ranges,
                               [&](const Range& range) { return range.touches(*standing.record); });
  }

  // When the newest record was hit: nothing. A new value that the log alone speaks of is then as if
  // the power had gone before it: what was there before comes back. So is a removal that was hit in
  // both its copies, for which one bit is not enough.
  std::vector<std::string> allowed_instead(std::uint32_t number, const Damage& damage,
                                           Index index) const {
    std::uint64_t newest = 0;
    for (const Standing& standing : standings(number)) {
      newest = std::max(newest, standing.record->record.sequence);
    }
    for (const Standing& standing : standings(number)) {
      const bool is_newest = standing.record->record.sequence == newest;
      if (is_newest && !hits(damage, standing)) return {};
    }
    const auto& values = values_.at(number);
    const bool is_one_byte =
        damage.ranges.size() == 1 && damage.ranges[0].until - damage.ranges[0].from == 1;
    if (values.back() == "absent" && is_one_byte) return {};
    std::vector<std::string> allowed = {"absent", "error: corrupt"};
    if (index == Index::lost && !damage.is_sealed)
      allowed.insert(allowed.end(), values.begin(), values.end());
    return allowed;
  }

  std::vector<Standing> standings(std::uint32_t number) const {
    std::vector<Standing> found;
    for (const auto& [segment, records] : records_) {
      for (const PlacedRecord& record : records) {
        if (record.record.fingerprint == numbered(number)) found.push_back({segment, &record});
      }
    }
    return found;
  }

  PackDirectory directory_;
  std::shared_ptr<PackStore> store_;
  std::map<std::uint32_t, std::vector<std::string>> values_;  // the last one counts
  PackDirectory::Snapshot sound_;
  std::map<std::uint32_t, std::vector<PlacedRecord>> records_;
};

// One unsealed segment of some three kilobytes.
inline void make_tiny(Specimen& specimen) {
  specimen.open();
  specimen.put(1, "");
  specimen.put(2, "x");
  specimen.put(3, "the old value");
  specimen.put(4, payload_of(100, 4), "a recipe of some length, which is kept beside it");
  specimen.put(5, "removed");
  specimen.put(6, "removed and put again");
  specimen.put(3, "the new value, which is longer");
  specimen.remove(5);
  specimen.remove(6);
  specimen.put(6, "there again");
  specimen.put(7, "the last");
  specimen.close();
}

// A sealed segment and one that is not, with entries that go from one to the other.
inline void make_large(Specimen& specimen) {
  specimen.open();
  specimen.put(1, "");
  specimen.put(2, payload_of(1024, 2), std::string(300, 'r'));
  specimen.put(3, "the old value");
  specimen.put(4, payload_of(5 * 1024, 4));
  specimen.put(5, "removed");
  specimen.put(6, "old in the same segment");
  specimen.put(7, "removed in the same segment");
  specimen.put(6, "new in the same segment");
  specimen.remove(7);
  for (std::uint32_t i = 10; i < 15; ++i) specimen.put(i, payload_of(250'000, i));
  specimen.put(3, "the new value");
  specimen.remove(5);
  specimen.put(8, "the last");
  specimen.close();
}

inline std::string segment_path(std::uint32_t number) {
  return "segments/" + format::segment_name(number);
}

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_PACK_SPECIMEN_H_
