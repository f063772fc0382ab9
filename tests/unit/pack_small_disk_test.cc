// A pack store on a disk that is full: a put makes room by evicting what its own store holds, or
// says that there is none and has changed nothing; and puts work again as soon as there is room.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "larder/pack_store.h"
#include "tests/endurance/child.h"
#include "tests/endurance/pack_directory.h"
#include "tests/unit/small_disk.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t mib = 1u << 20;

// Runs in a child without a test of its own: what is wrong is told by a string.
class FullDisk {
 public:
  explicit FullDisk(std::string path) : path_(std::move(path)) {
    options_ = {.directory = path_ + "/store", .on_evict = [this](const Eviction& eviction) {
                  model_.erase(eviction.fingerprint);
                  ++evicted_;
                }};
  }

  std::string run() {
    for (const auto step :
         {&FullDisk::fill, &FullDisk::make_room_from_what_there_is,
          &FullDisk::refuse_what_cannot_fit, &FullDisk::go_on_with_room, &FullDisk::open_when_full,
          &FullDisk::open_when_full_after_a_kill, &FullDisk::fill_the_disk_alone}) {
      std::string wrong = (this->*step)();
      if (wrong.empty()) wrong = compare();
      if (!wrong.empty()) return wrong;
    }
    return "";
  }

 private:
  std::string open() {
    store_.reset();
    auto opened = open_pack_store(options_);
    if (!opened) return "cannot open: " + opened.error().message;
    store_ = *std::move(opened);
    return "";
  }

  std::string put(std::uint32_t number, std::size_t size, std::uint32_t version) {
    const std::string payload = payload_of(size, number + 1000 * version);
    const auto stored = store_->put(numbered(number), bytes_of(payload));
    if (!stored) return "put " + std::to_string(number) + ": " + stored.error().message;
    model_[numbered(number)] = payload;
    return "";
  }

  std::string refuse(std::uint32_t number, std::size_t size) {
    const std::size_t evicted_before = evicted_;
    const auto stored = store_->put(numbered(number), bytes_of(payload_of(size, number)));
    if (stored) return "room for " + std::to_string(size);
    if (stored.error().code != Errc::no_space) return "put says " + stored.error().message;
    return evicted_ == evicted_before ? "" : "evicted for nothing";
  }

  // All that was put, but for what was told to have been evicted.
  std::string compare() {
    for (const auto& [fingerprint, payload] : model_) {
      const std::string found = text_of(*store_, fingerprint);
      if (found != payload) return fingerprint.hex() + " is " + found.substr(0, 30);
    }
    return "";
  }

  void fill_with_ballast() const {
    std::ofstream file(path_ + "/ballast", std::ios::binary | std::ios::app);
    const std::string block(4096, 'b');
    while (file << block << std::flush) {
    }
  }

  std::string fill() {
    std::string wrong = open();
    for (std::uint32_t i = 0; wrong.empty() && i < 20; ++i) wrong = put(i, 5'000, 0);
    if (!wrong.empty()) return wrong;
    if (!store_->flush()) return "the first flush failed";
    fill_with_ballast();
    return "";
  }

  // Its index has to be replaced on the way, too.
  std::string make_room_from_what_there_is() {
    std::string wrong;
    for (std::uint32_t i = 0; wrong.empty() && i < 6'000; ++i) wrong = put(i % 5'000, 5'000, 1);
    if (wrong.empty() && evicted_ == 0) wrong = "never full";
    if (wrong.empty() && !store_->flush()) wrong = "flush failed";
    return wrong;
  }

  std::string refuse_what_cannot_fit() {
    std::string wrong = put(1, 9'000, 2);
    if (wrong.empty()) wrong = refuse(1, 3 * mib);
    if (wrong.empty()) wrong = refuse(1, 6 * mib);  // a file of its own
    if (!wrong.empty()) return wrong;
    const auto flushed = store_->flush();
    return flushed ? "" : "flush says " + flushed.error().message;
  }

  std::string go_on_with_room() {
    fs::remove(path_ + "/ballast");
    const std::size_t evicted_before = evicted_;
    std::string wrong = put(1, 3 * mib, 3);
    if (wrong.empty()) wrong = put(2, 5 * mib, 3);
    for (std::uint32_t i = 3; wrong.empty() && i < 20; ++i) wrong = put(i, 9'000, 3);
    if (wrong.empty() && evicted_ != evicted_before) wrong = "evicted with room";
    if (wrong.empty() && !store_->flush()) wrong = "flush failed";
    return wrong.empty() && !store_->durability().durable ? "not durable" : wrong;
  }

  // There is no room for an index.
  std::string open_when_full() {
    store_.reset();
    for (const auto& entry : fs::directory_iterator(options_.directory)) {
      if (entry.path().filename().string().starts_with("index.")) fs::remove(entry.path());
    }
    fill_with_ballast();
    const auto refused = open_pack_store(options_);
    if (refused) return "opened without room for an index";
    if (refused.error().code != Errc::no_space) return "open says " + refused.error().message;
    fs::remove(path_ + "/ballast");
    return open();
  }

  // The table of who was killed makes way for its successor.
  std::string open_when_full_after_a_kill() {
    store_.reset();
    const std::string payload = payload_of(5'000, 77);
    model_[numbered(77)] = payload;
    const int status = in_child([&] {
      const auto dying = open_pack_store(options_);
      return dying && (*dying)->put(numbered(77), bytes_of(payload)) ? 0 : 1;
    });
    if (status != 0) return "nothing was put";
    fill_with_ballast();
    std::string wrong = open();
    if (wrong.empty()) wrong = compare();
    fs::remove(path_ + "/ballast");
    return wrong;
  }

  std::string fill_the_disk_alone() {
    const std::size_t evicted_before = evicted_;
    std::string wrong;
    for (std::uint32_t i = 0; wrong.empty() && i < 2'000; ++i) wrong = put(200 + i, 20'000, 4);
    if (wrong.empty() && evicted_ == evicted_before) wrong = "nothing was evicted";
    if (wrong.empty() && !store_->flush()) wrong = "flush failed";
    return wrong;
  }

  std::string path_;
  PackStoreOptions options_;
  std::shared_ptr<PackStore> store_;
  std::map<Fingerprint, std::string> model_;
  std::size_t evicted_ = 0;
};

// Without a budget: the disk alone says how much may be there.
std::string serve_from_full_disk(const std::string& path) {
  std::size_t served = 0, most = 0;
  bool is_full = false;
  const auto opened =
      open_pack_store({.directory = path + "/store", .on_evict = [&](const Eviction&) {
                         is_full = true;
                         --served;
                       }});
  if (!opened) return "cannot open: " + opened.error().message;
  for (std::uint32_t i = 0; i < 4'000; ++i) {
    const auto stored = (*opened)->put(numbered(i), bytes_of(payload_of(20'000, i)));
    if (!stored) return "put " + std::to_string(i) + ": " + stored.error().message;
    most = std::max(most, ++served);
    if (is_full && served < most / 4 * 3) return std::to_string(served) + " are left";
    if ((*opened)->metrics().entries != served) return "others are there than were told of";
  }
  if (!is_full) return "never full";
  return most < 800 ? "full too soon, of " + std::to_string(most) : "";
}

// What a quarter of a segment does not hold goes to a file of its own.
std::string put_a_large_one(const std::string& path) {
  const auto opened = open_pack_store({.directory = path + "/store"});
  if (!opened) return "cannot open: " + opened.error().message;
  const std::string payload = payload_of(300'000, 1);
  const auto stored = (*opened)->put(numbered(1), bytes_of(payload));
  if (!stored) return stored.error().message;
  if (!fs::exists(path + "/store/large")) return "it is in a segment";
  return text_of(**opened, numbered(1)) == payload ? "" : "another payload";
}

TEST(PackSmallDisk, MostEntriesStayWhenItIsFull) {
  EXPECT_EQ(on_small_disk(24 * mib, serve_from_full_disk), "");
}

TEST(PackSmallDisk, ASegmentIsASmallPartOfIt) {
  EXPECT_EQ(on_small_disk(24 * mib, put_a_large_one), "");
}

TEST(PackSmallDisk, EvictsOrRefusesAndGoesOn) {
  EXPECT_EQ(on_small_disk(12 * mib, [](const std::string& path) { return FullDisk(path).run(); }),
            "");
}

}  // namespace
}  // namespace larder
