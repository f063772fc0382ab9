// Segments that somebody cuts short under an open store. Bytes that the caller owns were read, not
// mapped: the cut costs the entries behind it, never a wrong byte, and never a signal.
//
// LARDER_TORTURE=10 cuts ten times as often.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "tests/endurance/child.h"
#include "tests/endurance/pack_directory.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

// Of all sizes: within a page, over several, and none at all.
std::string payload_of_entry(std::uint32_t number) {
  return payload_of(number % 7 == 6 ? 20'000 + 97 * number : (number * 37) % 3000, number);
}

// Whether what a look-up gave is right, or nothing.
bool is_right(std::uint32_t number, const Result<std::optional<Artifact>>& found) {
  return !found || !*found || (*found)->text() == payload_of_entry(number);
}

class PackTruncated : public ::testing::Test {
 protected:
  static constexpr std::uint32_t entries = 150;

  void SetUp() override {
    const auto store = directory_.open();
    for (std::uint32_t i = 0; i < entries; ++i) {
      all_.push_back(numbered(i));
      ASSERT_TRUE(store->put(numbered(i), bytes_of(payload_of_entry(i))));
    }
    ASSERT_TRUE(store->flush());
    ASSERT_EQ(directory_.segments().size(), 1u);
  }

  fs::path segment() const { return directory_.segments().front(); }

  // 0, or the number of what went wrong. Entries that end before `kept` must be there.
  int read_all(PackStore& store, std::uint64_t kept, const std::vector<PlacedRecord>& records) {
    for (std::uint32_t i = 0; i < entries; ++i) {
      const bool must_be = i < records.size() && records[i].end() <= kept;
      if (!must_be) continue;
      if (text_of(store, numbered(i)) != payload_of_entry(i)) return 1;
    }
    return read_any(store);
  }

  int read_any(PackStore& store) {
    const auto many = store.get_many(all_).value();
    std::vector<std::byte> into(40'000);
    for (std::uint32_t i = 0; i < entries; ++i) {
      if (!is_right(i, many[i])) return 2;
      if (!is_right(i, store.get(numbered(i)))) return 3;
      const auto length = store.get_into(numbered(i), into);
      if (!length || !*length) continue;
      const std::string_view got(reinterpret_cast<const char*>(into.data()), **length);
      if (got != payload_of_entry(i)) return 4;
    }
    return 0;
  }

  // Cuts that go on in one thread while others read: the segment is whole again between them.
  int read_while_cut(std::uint64_t cuts) {
    const auto store = directory_.open();
    const std::string whole = read_bytes(segment());
    std::atomic<bool> is_over = false;
    std::thread cutting([&] {
      for (std::uint64_t i = 0; i < cuts; ++i) {
        fs::resize_file(segment(), (i * 7919) % whole.size());
        if (i % 2 == 0) fs::resize_file(segment(), whole.size());  // with zeros
        std::fstream(segment(), std::ios::in | std::ios::out | std::ios::binary) << whole;
      }
      is_over = true;
    });
    int wrong = 0;
    while (!is_over && wrong == 0) {
      wrong = read_any(*store);
      // What was found damaged has been taken out of the index.
      for (std::uint32_t i = 0; i < entries && wrong == 0; i += 10) {
        (void)store->put(numbered(i), bytes_of(payload_of_entry(i)));
      }
    }
    cutting.join();
    return wrong;
  }

  PackDirectory directory_;
  std::vector<Fingerprint> all_;
};

// What a view does not promise. It shows that the other tests would see a signal.
TEST_F(PackTruncated, AViewThatIsTouchedAfterwardsEndsTheProcess) {
  EXPECT_NE(in_child([&] {
              const rlimit no_core = {};
              (void)::setrlimit(RLIMIT_CORE, &no_core);
              const auto view = directory_.open()->view(numbered(entries - 1)).value().value();
              fs::resize_file(segment(), 0);
              const volatile std::byte* const bytes = view.bytes().data();
              static_cast<void>(*bytes);
              return 0;
            }),
            0);
}

// At and around the ends of records and pages, from the longest to the shortest.
TEST_F(PackTruncated, OwnedReadsLoseWhatIsCutAndNoMore) {
  const auto records = records_of(segment());
  ASSERT_EQ(records.size(), entries);
  EXPECT_EQ(in_child([&] {
              const auto store = directory_.open();
              if (read_any(*store) != 0) return 10;
              const std::uint64_t step = std::max<std::uint64_t>(1, 2999 / rounds(1));
              for (std::uint64_t length = fs::file_size(segment()); length > step;) {
                length -= step;
                if (length % 3 == 0) length = length / 4096 * 4096;
                fs::resize_file(segment(), length);
                if (const int wrong = read_all(*store, length, records)) return wrong;
              }
              return 0;
            }),
            0);
}

// A view has mapped it all before.
TEST_F(PackTruncated, OwnedReadsBesideAMapping) {
  EXPECT_EQ(in_child([&] {
              const auto store = directory_.open();
              for (std::uint32_t i = 0; i < entries; ++i) {
                if (!store->view(numbered(i)).value()) return 10;
              }
              const auto records = records_of(segment());
              for (std::uint64_t length = fs::file_size(segment()); length > 40'000;) {
                length -= 40'000;
                fs::resize_file(segment(), length);
                if (const int wrong = read_all(*store, length, records)) return wrong;
              }
              return 0;
            }),
            0);
}

TEST_F(PackTruncated, OwnedReadsWhileItIsCutAgainAndAgain) {
  EXPECT_EQ(in_child([&] { return read_while_cut(rounds(1000)); }), 0);
}

}  // namespace
}  // namespace larder
