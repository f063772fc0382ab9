// What the pack store alone promises; what every store promises is in tests/contract.
#include "larder/pack_store.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/digest.h"
#include "tests/contract/store_contract.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

class PackStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "larder_pack_" + std::string(6, 'X');
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    open();
  }

  void TearDown() override {
    store_.reset();
    fs::remove_all(directory_);
  }

  void open(Compression compression = Compression::none) {
    store_.reset();
    auto opened = open_pack_store({.directory = root().string(), .compression = compression});
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
  }

  fs::path root() const { return directory_ / "store"; }

  void put(std::uint32_t number, std::string_view payload, std::string_view recipe = {}) {
    const auto stored = store_->put(numbered(number), bytes_of(payload), {.recipe = recipe});
    ASSERT_TRUE(stored) << stored.error().message;
  }

  std::string text_of(std::uint32_t number) {
    const auto found = store_->get(numbered(number));
    if (!found) return "error: " + found.error().message;
    return *found ? std::string((*found)->text()) : "absent";
  }

  std::vector<fs::path> segments() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(root() / "segments")) {
      found.push_back(entry.path());
    }
    return found;
  }

  // As a power cut leaves it: the index and the state are of no use.
  void lose_the_index() {
    store_.reset();
    for (const auto& entry : fs::directory_iterator(root())) {
      const std::string name = entry.path().filename();
      if (name == "state" || name.starts_with("index.")) fs::remove(entry.path());
    }
  }

  // Turns over one bit of the only place where `text` stands in a segment.
  void spoil(std::string_view text) {
    for (const fs::path& path : segments()) {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      std::string bytes((std::istreambuf_iterator<char>(file)), {});
      const std::size_t at = bytes.find(text);
      if (at == std::string::npos) continue;
      file.clear();
      file.seekp(static_cast<std::streamoff>(at));
      file.put(static_cast<char>(bytes[at] ^ 1));
      return;
    }
    FAIL() << "not found: " << text;
  }

  fs::path directory_;
  std::shared_ptr<PackStore> store_;
};

TEST_F(PackStoreTest, ADurableValueCountsWhenTheNewerOneLostItsPayload) {
  put(1, "the old value, flushed");
  ASSERT_TRUE(store_->flush());
  put(1, "the new value, not flushed");
  lose_the_index();
  spoil("the new value");
  open();
  EXPECT_EQ(text_of(1), "the old value, flushed");
}

TEST_F(PackStoreTest, ARebuildKeepsTheNewestAndForgetsTheRemoved) {
  put(1, "first");
  put(1, "second");
  put(2, "gone");
  ASSERT_EQ(store_->remove(numbered(2)), true);
  put(3, std::string(9u << 20, 'L'));
  ASSERT_TRUE(store_->flush());
  lose_the_index();
  open();
  EXPECT_EQ(text_of(1), "second");
  EXPECT_EQ(text_of(2), "absent");
  EXPECT_EQ(text_of(3), std::string(9u << 20, 'L'));
}

TEST_F(PackStoreTest, AnArtifactAboveSomeMiBHasAFileOfItsOwn) {
  const std::string large(5u << 20, 'x');
  put(1, large, "");
  EXPECT_EQ(text_of(1), large);
  EXPECT_TRUE(fs::exists(root() / "large"));
  std::uintmax_t in_segments = 0;
  for (const fs::path& path : segments()) in_segments += fs::file_size(path);
  EXPECT_LT(in_segments, 200'000u);
  EXPECT_EQ(store_->remove(numbered(1)), true);
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root() / "large")) {
    if (entry.path().extension() == ".art") ++files;
  }
  EXPECT_EQ(files, 0u);
}

TEST_F(PackStoreTest, GetIntoTouchesNothingBehindThePayload) {
  for (const std::size_t size : {0u, 1u, 63u, 64u, 65u, 1000u, 1024u, 70'000u}) {
    put(1, payload_of(size, 3), "");
    for (const std::size_t room : {size, size + 1, size + 63, size + 64, size + 1000}) {
      std::string buffer(room, '.');
      const auto found = store_->get_into(numbered(1), std::as_writable_bytes(std::span(buffer)));
      ASSERT_TRUE(found && *found == size) << size << " " << room;
      EXPECT_EQ(buffer, payload_of(size, 3) + std::string(room - size, '.'));
    }
  }
}

TEST_F(PackStoreTest, GetIntoLeavesABufferThatIsTooSmall) {
  put(1, payload_of(1000, 3));
  for (const std::size_t room : {0u, 1u, 100u, 960u, 999u}) {
    std::string buffer(room, '.');
    const auto found = store_->get_into(numbered(1), std::as_writable_bytes(std::span(buffer)));
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Errc::too_large);
    EXPECT_EQ(buffer, std::string(room, '.'));
  }
}

TEST_F(PackStoreTest, AViewShowsTheBytesAndOutlivesTheStore) {
  put(1, payload_of(100'000, 5));
  auto view = store_->view(numbered(1));
  ASSERT_TRUE(view && *view);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>((*view)->bytes().data()) % 64, 0u);
  store_.reset();
  const auto bytes = (*view)->bytes();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
            payload_of(100'000, 5));
}

TEST_F(PackStoreTest, AViewOfADamagedPayloadIsNone) {
  put(1, "some bytes that will be spoiled");
  spoil("some bytes");
  const auto view = store_->view(numbered(1));
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().code, Errc::corrupt);
}

TEST_F(PackStoreTest, CompressedArtifactsComeBackWhole) {
  open(Compression::zstd);
  const std::string text(20'000, 'z');
  put(1, text, "");
  put(2, payload_of(100, 1));
  EXPECT_EQ(text_of(1), text);
  const auto details = store_->inspect(numbered(1));
  ASSERT_TRUE(details && *details);
  EXPECT_EQ((*details)->codec, "zstd");
  EXPECT_EQ((*details)->payload_digest.bytes, blake3(std::string_view(text)));
  EXPECT_LT((*details)->info.disk_bytes, 1000u);
  const auto view = store_->view(numbered(1));
  ASSERT_TRUE(view && *view);
  EXPECT_EQ((*view)->bytes().size(), text.size());
  std::string buffer(text.size(), '.');
  EXPECT_TRUE(store_->get_into(numbered(1), std::as_writable_bytes(std::span(buffer))));
  EXPECT_EQ(buffer, text);
  put(1, text, "");
  EXPECT_EQ(store_->metrics().puts_unchanged, 1u);
  open();
  EXPECT_EQ(text_of(1), text);
}

TEST_F(PackStoreTest, GetManyAnswersEachInItsPlace) {
  for (std::uint32_t i = 0; i < 40; ++i) put(i, payload_of(i * 100, 1));
  put(100, std::string(5u << 20, 'L'));
  std::vector<Fingerprint> asked;
  for (std::uint32_t i = 0; i < 50; ++i) asked.push_back(numbered(49 - i));
  asked.push_back(numbered(100));
  const Metrics before = store_->metrics();
  const auto answers = store_->get_many(asked).value();
  ASSERT_EQ(answers.size(), 51u);
  for (std::uint32_t i = 0; i < 50; ++i) {
    const std::uint32_t number = 49 - i;
    ASSERT_TRUE(answers[i]);
    ASSERT_EQ(answers[i]->has_value(), number < 40) << number;
    if (number < 40) {
      EXPECT_EQ((*answers[i])->text(), payload_of(number * 100, 1));
    }
  }
  EXPECT_EQ((*answers[50])->size(), 5u << 20);
  const Metrics delta = store_->metrics().since(before);
  EXPECT_EQ(delta.lookups, 51u);
  EXPECT_EQ(delta.hits, 41u);
}

}  // namespace
}  // namespace larder
