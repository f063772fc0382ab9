// A pack that somebody changes at random who may write into it and lacks the secret: records that
// he makes, carries elsewhere, renames and gives other keys; the index, `state` and its marks,
// names, files of large artifacts. Every hit must be something that was put for that fingerprint
// with the key: an older value at worst. Then upkeep by its owner, who must not make it worse.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "tests/unit/keyed_pack_forger.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using format::Record;
using format::RecordKind;

constexpr int fingerprints = 6;

class TamperedPack : public PackForger {
 protected:
  struct Taken {
    fs::path path = {};
    std::uint32_t place = 0;
    Record record = {};
    std::string payload = {};
  };

  TamperedPack() {
    const char* const given = std::getenv("LARDER_SEED");
    const char* const times = std::getenv("LARDER_TORTURE");
    seed_ = given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
    rounds_ = 60 * (times == nullptr ? 1 : std::max(1, std::atoi(times)));
    options_.budget.max_bytes = 64u << 20;  // segments of 1 MiB, so that large is not much
  }

  std::uint64_t up_to(std::uint64_t most) { return random_() % most; }

  template <class List>
  auto& any_of(List& list) {
    return list[up_to(list.size())];
  }

  void put_as(const Keys& keys, int number, const std::string& payload) {
    PackStoreOptions options = options_;
    options.keys = keys;
    put_into(options, key(static_cast<std::uint8_t>(number)), payload);
    if (keys.ids() == ours_.ids()) allowed_[number].insert(payload);
  }

  // Of every kind, old and new, one's own and others' beside them; one that was removed.
  void make_template() {
    for (int i = 1; i <= fingerprints; ++i) {
      const std::string name = std::to_string(i);
      put_as({}, i, "evil without a key " + name);
      put_as(ours_, i, "old " + name);
      put_as(keys_of({2}), i, "evil of another key " + name);
      put_as(ours_, i,
             i % 3 == 0 ? std::string(300'000, static_cast<char>('a' + i)) : "new " + name);
      put_as(keys_of({2}), i, std::string(300'000, 'Z'));
    }
    ASSERT_EQ(open()->remove(key(1)), true);
    fs::copy(root(), template_, fs::copy_options::recursive);
  }

  void start_anew() const {
    fs::remove_all(root());
    fs::copy(template_, root(), fs::copy_options::recursive);
  }

  std::vector<fs::path> files(std::string_view extension = {}) const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(root())) {
      const bool fits = extension.empty() || entry.path().extension() == extension;
      if (entry.is_regular_file() && fits) found.push_back(entry.path());
    }
    std::ranges::sort(found);
    return found;
  }

  std::vector<Taken> records() const {
    std::vector<Taken> found;
    for (const fs::path& path : files(".seg")) {
      std::string segment = read_whole(path);
      const auto header = format::decode_segment_header(bytes_in(segment));
      if (!header) continue;
      const auto segment_key = format::segment_key(header->identity);
      for (std::size_t at = 128; at + 192 <= segment.size(); at += 64) {
        Taken taken{.path = path, .place = static_cast<std::uint32_t>(at / 64)};
        if (format::decode_record(bytes_in(segment).subspan(at), segment_key, taken.place,
                                  taken.record) != format::RecordVerdict::good) {
          continue;
        }
        taken.payload = segment.substr(at + 192, taken.record.stored_bytes);
        found.push_back(std::move(taken));
      }
    }
    return found;
  }

  void change_one(Record& record, std::string& payload) {
    switch (up_to(6)) {
      case 0:
        payload.replace(0, std::min<std::size_t>(4, payload.size()), "evil", 0,
                        std::min<std::size_t>(4, payload.size()));
        if (record.kind == RecordKind::artifact) record.payload_digest = blake3(payload);
        break;
      case 1: record.fingerprint = key(static_cast<std::uint8_t>(1 + up_to(fingerprints))); break;
      case 2: record.key_id = ours_.ids().front(); break;
      case 3: record.sequence += up_to(100); break;
      case 4: record.supersedes = !record.supersedes; break;
      default: record.written_s = static_cast<std::uint32_t>(random_()); break;
    }
    if (record.key_id == 0) record.authenticator = {};
    if (up_to(3) == 0) authenticate(record, forged_);
  }

  // In place, with all that is needed to be believed but the authenticator.
  void change_a_record() {
    auto all = records();
    if (all.empty()) return;
    Taken& taken = any_of(all);
    change_one(taken.record, taken.payload);
    std::string segment = read_whole(taken.path);
    const auto segment_key = format::segment_key(header_of(segment).identity);
    const auto header = format::encode_record(taken.record, segment_key, taken.place);
    std::memcpy(segment.data() + taken.place * 64, header.data(), header.size());
    segment.replace(taken.place * 64 + 192, taken.payload.size(), taken.payload);
    write_whole(taken.path, segment);
  }

  // As they are, and changed.
  void carry_records() {
    auto all = records();
    if (all.empty()) return;
    std::vector<std::pair<Record, std::string>> chosen;
    for (std::uint64_t i = 0; i <= up_to(4); ++i) {
      Taken taken = any_of(all);
      if (up_to(2) == 0) change_one(taken.record, taken.payload);
      taken.record.recipe_bytes = 0;
      chosen.emplace_back(taken.record, taken.payload);
    }
    add_segment(static_cast<std::uint32_t>(20 + up_to(20)), chosen, up_to(2) == 0);
  }

  void write_words(const fs::path& path, std::size_t from, std::size_t step) {
    std::string bytes = read_whole(path);
    if (bytes.size() < from + 16) return;
    const std::size_t count = (bytes.size() - from) / step;
    const auto word = [&](std::size_t i) { return bytes_in(bytes).data() + from + i * step; };
    std::vector<std::size_t> used;
    for (std::size_t i = 0; i < count; ++i) {
      if (load_little<std::uint64_t>(word(i)) != 0) used.push_back(i);
    }
    if (used.empty()) return;
    std::byte* const to = word(any_of(used));
    switch (up_to(3)) {
      case 0: std::memcpy(to, word(any_of(used)), 8); break;
      case 1: std::memcpy(to, word(up_to(count)), 8); break;
      default: store_little(to, load_little<std::uint64_t>(to) ^ std::uint64_t{1} << up_to(62));
    }
    write_whole(path, bytes);
  }

  void change_hints() {
    for (const fs::path& path : files()) {
      const std::string name = path.filename().string();
      if (name.starts_with("index.") && up_to(2) == 0) write_words(path, 4096 + 8, 16);
      if (name == "state" && up_to(2) == 0) write_words(path, 64, 8);
    }
    if (up_to(4) == 0) lose_the_index();
  }

  void change_names(std::string_view extension) {
    auto all = files(extension);
    if (all.size() < 2) return;
    const fs::path& a = any_of(all);
    const fs::path& b = any_of(all);
    if (a == b) return;
    if (up_to(2) == 0) {
      fs::copy_file(a, b, fs::copy_options::overwrite_existing);
      return;
    }
    fs::rename(a, root() / "aside");
    fs::rename(b, a);
    fs::rename(root() / "aside", b);
  }

  void rename_a_segment() {
    auto all = files(".seg");
    if (all.empty()) return;
    const auto number = static_cast<std::uint32_t>(up_to(40));
    fs::rename(any_of(all), root() / "segments" /
                                (up_to(2) == 0 ? format::segment_name(number)
                                               : format::bad_segment_name(number, 2)));
  }

  void spoil_a_file() {
    auto all = files();
    const fs::path& path = any_of(all);
    std::string bytes = read_whole(path);
    if (bytes.empty()) return;
    switch (up_to(3)) {
      case 0: bytes.resize(up_to(bytes.size())); break;
      case 1: fs::remove(path); return;
      default: {
        char& byte = any_of(bytes);
        byte = static_cast<char>(byte ^ 1 << up_to(8));
      }
    }
    write_whole(path, bytes);
  }

  void tamper() {
    switch (up_to(8)) {
      case 0:
      case 1: return change_a_record();
      case 2:
      case 3: return carry_records();
      case 4: return change_hints();
      case 5: return change_names(".art");
      case 6: return up_to(2) == 0 ? change_names(".seg") : rename_a_segment();
      default: return spoil_a_file();
    }
  }

  void expect_allowed(int number, std::string_view found, const char* how) {
    ++hits_;
    EXPECT_TRUE(allowed_[number].contains(std::string(found)))
        << how << " of " << number << " gave " << found.substr(0, 40);
  }

  void judge(PackStore& store) {
    std::vector<Fingerprint> all;
    for (int i = 1; i <= fingerprints; ++i) all.push_back(key(static_cast<std::uint8_t>(i)));
    const auto many = store.get_many(all);
    std::string into(400'000, '\0');
    for (int i = 1; i <= fingerprints; ++i) {
      const Fingerprint& fingerprint = all[static_cast<std::size_t>(i - 1)];
      const auto one = store.get(fingerprint);
      if (one && *one) expect_allowed(i, (*one)->text(), "get");
      const auto length = store.get_into(fingerprint, bytes_in(into));
      if (length && *length) expect_allowed(i, std::string_view(into).substr(0, **length), "into");
      const auto view = store.view(fingerprint);
      if (view && *view) {
        const auto bytes = (*view)->bytes();
        expect_allowed(i, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "view");
      }
      if (!many) continue;
      const auto& of_many = (*many)[static_cast<std::size_t>(i - 1)];
      if (of_many && *of_many) expect_allowed(i, (*of_many)->text(), "get_many");
    }
  }

  // Whatever it says, as a user calls it.
  void keep_up(PackStore& store) {
    switch (up_to(5)) {
      case 0: (void)store.maintain(); break;
      case 1: (void)store.prune({.max_age_s = 1}); break;
      case 2: (void)store.prune({.max_bytes = 1u << 20}); break;
      case 3: (void)store.prune({.max_entries = 2}); break;
      default: (void)store.visit_strays([](const Stray&) { return Visit::go_on; }, Repair::yes);
    }
    (void)store.flush();
  }

  std::uint64_t seed_ = 1;
  int rounds_ = 0;
  std::mt19937_64 random_;
  std::map<int, std::set<std::string>> allowed_;
  std::uint64_t hits_ = 0;
  const fs::path template_ = directory_ / "template";
};

TEST_F(TamperedPack, GivesWhatItsOwnerPutOrNothing) {
  make_template();
  for (int round = 0; round < rounds_; ++round) {
    SCOPED_TRACE("LARDER_SEED=" + std::to_string(seed_));
    random_.seed(seed_++);
    start_anew();
    const std::uint64_t changes = 1 + up_to(4);
    for (std::uint64_t i = 0; i < changes; ++i) tamper();
    for (const bool is_lost : {false, true}) {
      if (is_lost) lose_the_index();
      auto store = open_pack_store(options_);
      if (!store) continue;
      judge(**store);
      keep_up(**store);
      judge(**store);
    }
    if (HasFailure()) break;
  }
  EXPECT_GT(hits_, static_cast<std::uint64_t>(rounds_)) << "nothing was asked";
  std::printf("%d directories, %llu hits judged\n", rounds_,
              static_cast<unsigned long long>(hits_));
}

}  // namespace
}  // namespace larder
