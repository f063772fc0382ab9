// A pack directory that processes with different keys, and one with none, share.
#ifndef LARDER_TESTS_UNIT_KEYED_PACK_FIXTURE_H_
#define LARDER_TESTS_UNIT_KEYED_PACK_FIXTURE_H_

#include <memory>
#include <string>
#include <string_view>

#include "tests/unit/keyed_fixture.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {

class KeyedPackFixture : public PackStoreFixture {
 protected:
  std::shared_ptr<PackStore> open_with(const Keys& keys) {
    options_.keys = keys;
    return open();
  }

  std::string get_with(const Keys& keys, const Fingerprint& fingerprint) {
    return content(open_with(keys)->get(fingerprint));
  }

  void put_with(const Keys& keys, const Fingerprint& fingerprint, std::string_view payload) {
    ASSERT_EQ(put(*open_with(keys), fingerprint, payload), "ok");
  }

  static std::size_t count_visited(Store& store, bool other_key) {
    std::size_t count = 0;
    EXPECT_TRUE(store.visit([&](const EntryInfo& entry) {
      count += entry.other_key == other_key ? 1 : 0;
      return Visit::go_on;
    }));
    return count;
  }

  std::size_t count_large_files() const {
    std::size_t files = 0;
    if (!std::filesystem::exists(root() / "large")) return 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(root() / "large")) {
      files += file.path().extension() == ".art" ? 1 : 0;
    }
    return files;
  }

  const Keys ours_ = keys_of({1});
  const Keys theirs_ = keys_of({2});
  const Keys none_;
  const std::string big_ = payload_of(5 * mib, 9);
};

}  // namespace larder

#endif  // LARDER_TESTS_UNIT_KEYED_PACK_FIXTURE_H_
