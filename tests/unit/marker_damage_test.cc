// A marker of which any bit is flipped, or of which any part is lost, costs no entry: the store is
// what stands beside it.
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "format/marker.h"
#include "larder/cache.h"
#include "larder/store.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

std::string read_all(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_all(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

class MarkerDamage : public PackStoreFixture {
 protected:
  using Open = std::function<Result<std::shared_ptr<Store>>(Access)>;

  Result<std::shared_ptr<Store>> open_pack_as(Access access) const {
    PackStoreOptions options = options_;
    options.access = access;
    return open_pack_store(options);
  }
  Result<std::shared_ptr<Store>> open_file_as(Access access) const {
    return open_file_store(
        {.directory = options_.directory, .access = access, .log = options_.log});
  }
  const Open open_pack_ = [this](Access access) { return open_pack_as(access); };
  const Open open_file_ = [this](Access access) { return open_file_as(access); };

  fs::path marker() const { return root() / "LARDER"; }

  void make(const Open& open) {
    options_.log = [this](LogLevel, std::string_view line) { log_.emplace_back(line); };
    const auto store = open(Access::read_write).value();
    ASSERT_TRUE(store->put(numbered(1), bytes_of("kept")));
    ASSERT_TRUE(store->flush());
    good_ = read_all(marker());
  }

  fs::path make_another() const {
    PackStoreOptions others = options_;
    others.directory = (directory_ / "other").string();
    const auto other = open_pack_store(others).value();
    EXPECT_TRUE(other->put(numbered(2), bytes_of("foreign")));
    EXPECT_TRUE(other->flush());
    return others.directory;
  }

  // "", or what went wrong; by a reader, who changes nothing, and then by a writer, who mends it.
  std::string use_with(const Open& open, const std::string& text) {
    write_all(marker(), text);
    for (const Access access : {Access::read_only, Access::read_write}) {
      const auto store = open(access);
      if (!store) return store.error().message;
      const std::string found = content((*store)->get(numbered(1)));
      if (found != "kept") return found;
      if (access == Access::read_only && read_all(marker()) != text) return "a reader changed it";
    }
    return "";
  }

  // Bits that turn the version into a higher one: what a newer Larder wrote is not touched.
  static bool is_newer(const std::string& text) {
    const auto decoded = format::decode_marker(text);
    return !decoded && decoded.error().code == Errc::unsupported_version;
  }

  template <class Judge>
  void flip_each_bit(const Open& open, const Judge& judge) {
    int newer = 0;
    for (std::size_t bit = 0; bit < 8 * good_.size(); ++bit) {
      std::string text = good_;
      text[bit / 8] = static_cast<char>(text[bit / 8] ^ 1 << bit % 8);
      const std::string said = use_with(open, text);
      newer += is_newer(text) ? 1 : 0;
      if (is_newer(text)) {
        EXPECT_NE(said.find("newer"), std::string::npos);
        EXPECT_EQ(read_all(marker()), text);
      } else {
        EXPECT_EQ(said, "") << "bit " << bit;
        judge(bit);
      }
    }
    EXPECT_EQ(newer, 3);  // 1 to 3, 5 and 9
  }

  std::string good_;
  std::vector<std::string> log_;
};

TEST_F(MarkerDamage, AnyBitOfThatOfAPackIsMended) {
  make(open_pack_);
  flip_each_bit(open_pack_, [&](std::size_t bit) {
    EXPECT_EQ(read_all(marker()), good_) << "bit " << bit;
    EXPECT_EQ(log_.size(), 1u) << "bit " << bit;
    log_.clear();
  });
}

// Its id is nowhere else, and nothing that was made without a key depends on it.
TEST_F(MarkerDamage, AnyBitOfThatOfAFileStoreIsMended) {
  make(open_file_);
  flip_each_bit(open_file_, [&](std::size_t bit) {
    const auto mended = format::decode_marker(read_all(marker()));
    EXPECT_TRUE(mended && mended->kind == "file") << "bit " << bit;
  });
}

TEST_F(MarkerDamage, AnyLossIsMended) {
  for (const Open& open : {open_pack_, open_file_}) {
    fs::remove_all(root());
    make(open);
    for (std::size_t length = 0; length < good_.size(); ++length) {
      EXPECT_EQ(use_with(open, good_.substr(0, length)), "") << length;
      EXPECT_TRUE(format::decode_marker(read_all(marker()))) << length;
    }
    EXPECT_EQ(use_with(open, std::string(good_.size(), '\0')), "");
    fs::remove(marker());
    EXPECT_EQ(content(open(Access::read_only).value()->get(numbered(1))), "kept");
    EXPECT_FALSE(fs::exists(marker()));
    EXPECT_EQ(content(open(Access::read_write).value()->get(numbered(1))), "kept");
    EXPECT_TRUE(format::decode_marker(read_all(marker())));
  }
}

// Whoever names no kind finds the store, too.
TEST_F(MarkerDamage, TheKindIsKnownWithoutIt) {
  make(open_file_);
  write_all(marker(), "gone");
  const auto store = open_store({.location = {.directory = options_.directory}});
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(content((*store)->get(numbered(1))), "kept");
}

TEST_F(MarkerDamage, ThatOfLargeArtifactsTakesNoneWithIt) {
  make(open_pack_);
  const std::string large = payload_of(17 * mib, 5);
  ASSERT_EQ(put(*open(), numbered(5), large), "ok");
  for (const char* text : {"gone", ""}) {
    write_all(root() / "large" / "LARDER", text);
    EXPECT_EQ(content(open()->get(numbered(5))), large);
    fs::remove(root() / "large" / "LARDER");
    const auto store = open();
    EXPECT_EQ(content(store->get(numbered(5))), large);
    EXPECT_TRUE(store->prune({.max_bytes = 40 * mib}));
    EXPECT_EQ(content(store->get(numbered(5))), large);
    EXPECT_EQ(put(*store, numbered(6), payload_of(17 * mib, 6)), "ok");
    EXPECT_TRUE(fs::exists(root() / "large" / "LARDER"));
  }
}

TEST_F(MarkerDamage, APackIsKnownByItsSegmentsAlone) {
  make(open_pack_);
  for (const auto& lost : {good_.substr(0, 20), std::string(1, good_[0]) + "x" + good_.substr(2)}) {
    lose_the_index();
    EXPECT_EQ(use_with(open_pack_, lost), "");
    EXPECT_EQ(read_all(marker()), good_);
  }
}

// Neither segments nor the state of another store make this one theirs.
TEST_F(MarkerDamage, AGoodMarkerStandsAgainstForeignSegments) {
  make(open_pack_);
  const fs::path other = make_another();
  fs::copy(other / "segments" / "00000000.seg", segments() / "00000001.seg");
  lose_the_index();
  EXPECT_EQ(use_with(open_pack_, good_), "");
  EXPECT_EQ(read_all(marker()), good_);
  EXPECT_EQ(content(open()->get(numbered(2))), "absent");
  // And when the two disagree, a damaged one stays what it is.
  lose_the_index();
  EXPECT_NE(use_with(open_pack_, "gone"), "");
  EXPECT_EQ(read_all(marker()), "gone");
}

TEST_F(MarkerDamage, AGoodMarkerStandsAgainstAForeignState) {
  make(open_pack_);
  const fs::path other = make_another();
  const auto over = fs::copy_options::overwrite_existing;
  fs::copy_file(other / "state", root() / "state", over);
  EXPECT_NE(use_with(open_pack_, "gone"), "");
  EXPECT_EQ(read_all(marker()), "gone");
  EXPECT_EQ(use_with(open_pack_, good_), "");
  EXPECT_EQ(read_all(marker()), good_);
  // Nor does all that is there, when it is another store's by more than a flipped bit.
  fs::copy_file(other / "state", root() / "state", over);
  fs::copy_file(other / "segments" / "00000000.seg", segments() / "00000000.seg", over);
  EXPECT_TRUE(open());
  EXPECT_EQ(read_all(marker()), good_);
  // With no segment to say which is right.
  fs::copy_file(other / "state", root() / "state", over);
  fs::remove_all(segments());
  EXPECT_TRUE(open());
  EXPECT_EQ(read_all(marker()), good_);
}

TEST_F(MarkerDamage, ANewerKindIsNotTaken) {
  make(open_pack_);
  std::string text = good_;
  text.replace(text.find("kind pack"), 9, "kind ring2");
  EXPECT_NE(use_with(open_pack_, text), "");
  EXPECT_EQ(read_all(marker()), text);
}

// However many there are.
TEST_F(MarkerDamage, AGoodMarkerStandsAgainstForeignSegmentsAlone) {
  make(open_pack_);
  const fs::path other = make_another();
  for (char digit = '0'; digit <= '9'; ++digit) {
    fs::copy(other / "segments" / "00000000.seg",
             segments() / (std::string("0000001") + digit + ".seg"));
  }
  lose_the_index();
  EXPECT_EQ(use_with(open_pack_, good_), "");
  EXPECT_EQ(read_all(marker()), good_);
}

class KeyedMarkerDamage : public MarkerDamage {
 protected:
  Result<std::shared_ptr<Store>> open_keyed(FileSystem* file_system = nullptr) const {
    const Keys::Secret secret{1, 2, 3};
    return open_file_store({.directory = options_.directory,
                            .keys = Keys::from_secrets(std::span(&secret, 1)).value(),
                            .file_system = file_system});
  }

  void make_keyed() {
    const auto store = open_keyed().value();
    ASSERT_TRUE(store->put(numbered(1), bytes_of("kept")));
    ASSERT_TRUE(store->flush());
    good_ = read_all(marker());
  }
};

// Its entries need the id: it is taken from what is left of the marker, or the store is not opened.
TEST_F(KeyedMarkerDamage, NoEntryOfAKeyIsLost) {
  make_keyed();
  std::string text = good_;
  text[3] = 'X';
  write_all(marker(), text);
  EXPECT_EQ(content(open_keyed().value()->get(numbered(1))), "kept");
  EXPECT_EQ(read_all(marker()), good_);
  write_all(marker(), good_.substr(0, good_.size() - 2));
  EXPECT_FALSE(open_keyed());
  write_all(marker(), good_);
  EXPECT_EQ(content(open_keyed().value()->get(numbered(1))), "kept");
}

TEST_F(MarkerDamage, OfTwoWhoMendItOneFindsItMended) {
  make(open_file_);
  write_all(marker(), "gone");
  std::string first;
  faults_.observe([&](const testing::Operation& operation) {
    if (operation.op != testing::Op::create_anonymous || !first.empty()) return;
    first = "in the making";
    ASSERT_TRUE(open_file_(Access::read_write));
    first = read_all(marker());
  });
  ASSERT_TRUE(open_file_store({.directory = options_.directory, .file_system = &faults_}));
  faults_.observe({});
  EXPECT_TRUE(format::decode_marker(first));
  EXPECT_EQ(read_all(marker()), first);
}

TEST_F(MarkerDamage, WhatStandsBesideNothingOfOursIsNotTouched) {
  fs::create_directory(root());
  fs::permissions(root(), fs::perms::owner_all);
  write_all(marker(), "gone");
  write_all(root() / "letter", "mine");
  for (const Open& open : {open_pack_, open_file_}) {
    const auto store = open(Access::read_write);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code, Errc::not_a_store);
  }
  EXPECT_EQ(read_all(marker()), "gone");
}

}  // namespace
}  // namespace larder
