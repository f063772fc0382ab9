// Several servers as one tier: which of them has an entry, and what one that is down costs.
#include <gtest/gtest.h>

#include <latch>
#include <map>
#include <thread>

#include "base/try.h"
#include "store/remote/remote_store.h"
#include "store/remote/rendezvous.h"
#include "store/remote/sharded_store.h"
#include "tests/contract/store_contract.h"
#include "tests/remote/folder_transport.h"
#include "tests/remote/server.h"

namespace larder {
namespace {

using remote::FolderTransport;
using remote::Trouble;

constexpr std::uint32_t many = 20'000;

std::map<std::string, int> shares_of(const std::vector<RemoteShard>& shards) {
  std::map<std::string, int> shares;
  for (std::uint32_t i = 0; i < many; ++i) ++shares[shards[shard_of(shards, numbered(i))].host];
  return shares;
}

TEST(Rendezvous, SharesAreInProportionToTheWeights) {
  const auto shares = shares_of({{"a", 3}, {"b", 1}, {"c", 1}});
  EXPECT_NEAR(shares.at("a"), many * 0.6, many * 0.02);
  EXPECT_NEAR(shares.at("b"), many * 0.2, many * 0.02);
  EXPECT_NEAR(shares.at("c"), many * 0.2, many * 0.02);
}

TEST(Rendezvous, NothingMovesButToWhoComesAndFromWhoGoes) {
  const std::vector<RemoteShard> fewer = {{"a", 1}, {"b", 2}, {"c", 1}};
  std::vector<RemoteShard> more = fewer;
  more.insert(more.begin(), {"new", 1});  // the order does not matter
  int moved = 0;
  for (std::uint32_t i = 0; i < many; ++i) {
    const std::string before = fewer[shard_of(fewer, numbered(i))].host;
    const std::string after = more[shard_of(more, numbered(i))].host;
    if (after == before) continue;
    EXPECT_EQ(after, "new") << i;
    ++moved;
  }
  EXPECT_NEAR(moved, many * 0.2, many * 0.02);
}

// Another order of bytes, or another hash, would send every machine of a fleet to the wrong server.
TEST(Rendezvous, IsTheSameForEver) {
  const std::vector<RemoteShard> shards = {{"a:1", 3}, {"b:2", 1}, {"c", 1}};
  std::string chosen;
  for (std::uint32_t i = 0; i < 24; ++i) chosen += shards[shard_of(shards, numbered(i))].host[0];
  EXPECT_EQ(chosen, "abaacaaaaaaaaacabaaaaaaa");
}

// Three folders as servers.
class Sharded : public testing::Test {
 protected:
  Sharded() {
    std::vector<std::shared_ptr<RemoteStore>> stores;
    for (std::size_t i = 0; i < 3; ++i) {
      RemoteStoreOptions options;
      options.url = "test://" + shards_[i].host;
      stores.push_back(std::make_shared<RemoteStoreImpl>(options, [this, i] {
        return std::make_unique<FolderTransport>(directories_[i].path(), troubles_[i]);
      }));
    }
    store_ = std::make_unique<ShardedStore>("test://*", shards_, stores);
  }

  const std::vector<RemoteShard> shards_ = {{"a", 1}, {"b", 1}, {"c", 1}};
  const std::array<ServerDirectory, 3> directories_;
  std::array<std::shared_ptr<Trouble>, 3> troubles_ = {
      std::make_shared<Trouble>(), std::make_shared<Trouble>(), std::make_shared<Trouble>()};
  std::unique_ptr<ShardedStore> store_;
};

TEST_F(Sharded, EachEntryIsOnOneServerAndFoundThere) {
  std::vector<Fingerprint> all;
  for (std::uint32_t i = 0; i < 60; ++i) {
    all.push_back(numbered(i));
    ASSERT_TRUE(store_->put(numbered(i), bytes_of(std::to_string(i)), {}));
  }
  std::size_t files = 0;
  for (const ServerDirectory& directory : directories_) {
    std::size_t here = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(directory.path())) {
      if (file.is_regular_file()) ++here;
    }
    EXPECT_GT(here, 0u);
    files += here;
  }
  EXPECT_EQ(files, 60u);
  all.push_back(numbered(99));
  const auto found = store_->get_many(all).value();
  for (std::uint32_t i = 0; i < 60; ++i) EXPECT_EQ((**found[i]).text(), std::to_string(i));
  EXPECT_FALSE(*found[60]);
  EXPECT_EQ((*store_->fetch(numbered(7)))->payload.text(), "7");
  EXPECT_EQ(store_->remove(numbered(7)), true);
  EXPECT_FALSE(*store_->get(numbered(7)));
  std::size_t seen = 0;
  EXPECT_TRUE(
      store_->visit([&](const EntryInfo&) { return ++seen == 50 ? Visit::stop : Visit::go_on; }));
  EXPECT_EQ(seen, 50u);
  EXPECT_EQ(store_->clear()->evicted_entries, 59u);
  EXPECT_TRUE(store_->remote_metrics().balanced());
}

TEST_F(Sharded, OneThatIsDownCostsItsShareAlone) {
  for (std::uint32_t i = 0; i < 60; ++i) {
    ASSERT_TRUE(store_->put(numbered(i), bytes_of("x"), {}));
  }
  troubles_[1]->add(Errc::unreachable, 1000);
  for (std::uint32_t i = 0; i < 60; ++i) {
    const auto found = store_->get(numbered(i));
    EXPECT_EQ(found.has_value(), shard_of(shards_, numbered(i)) != 1) << i;
  }
  EXPECT_EQ(store_->remote_metrics().breaker_openings, 1u);
  EXPECT_TRUE(store_->remote_metrics().balanced());
}

TEST_F(Sharded, OneThatIsDownDoesNotHideTheOthersFromAListing) {
  std::size_t elsewhere = 0;
  for (std::uint32_t i = 0; i < 60; ++i) {
    ASSERT_TRUE(store_->put(numbered(i), bytes_of("x"), {}));
    elsewhere += shard_of(shards_, numbered(i)) == 0 ? 0 : 1;
  }
  troubles_[0]->add(Errc::io_error, 1000);
  std::size_t seen = 0;
  const auto visited = store_->visit([&](const EntryInfo&) {
    ++seen;
    return Visit::go_on;
  });
  EXPECT_EQ(visited.error().code, Errc::io_error);
  EXPECT_EQ(seen, elsewhere);
  EXPECT_FALSE(store_->clear());
  EXPECT_EQ(store_->metrics().evictions, elsewhere) << "the others are cleared all the same";
}

// Its answers come once every server was asked.
class WhenAllAreAsked final : public remote::Transport {
 public:
  explicit WhenAllAreAsked(std::latch& asked) : asked_(asked) {}
  Result<std::optional<ArtifactBuffer>> get(std::string_view, std::uint64_t,
                                            const remote::Patience&) override {
    LARDER_CHECK_OK(wait_for_the_others());
    return std::nullopt;
  }
  Result<void> put(std::string_view, remote::Pieces, const remote::Patience&) override {
    return {};
  }
  Result<std::optional<std::uint64_t>> size(std::string_view, const remote::Patience&) override {
    return std::nullopt;
  }
  Result<bool> remove(std::string_view, const remote::Patience&) override { return false; }
  remote::Listed list(std::string_view, const remote::ObjectVisitor&,
                      const remote::Patience&) override {
    LARDER_CHECK_OK(wait_for_the_others());
    return std::nullopt;
  }

 private:
  Result<void> wait_for_the_others() {
    if (!asked_.try_wait()) asked_.count_down();  // one that is asked again is none more
    for (int i = 0; i < 10'000 && !asked_.try_wait(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    if (asked_.try_wait()) return {};
    return std::unexpected(Error{.code = Errc::io_error, .message = "the others were not asked"});
  }

  std::latch& asked_;
};

// Three servers whose answers come once all of them were asked.
class SideBySide : public testing::Test {
 protected:
  SideBySide() {
    std::vector<std::shared_ptr<RemoteStore>> stores;
    for (const RemoteShard& shard : shards_) {
      RemoteStoreOptions options;
      options.url = "test://" + shard.host;
      stores.push_back(std::make_shared<RemoteStoreImpl>(
          options, [this] { return std::make_unique<WhenAllAreAsked>(asked_); }));
    }
    store_ = std::make_unique<ShardedStore>("test://*", shards_, stores);
  }

  const std::vector<RemoteShard> shards_ = {{"a", 1}, {"b", 1}, {"c", 1}};
  std::latch asked_{3};
  std::unique_ptr<ShardedStore> store_;
};

TEST_F(SideBySide, EveryServerIsAskedBeforeAnyIsWaitedFor) {
  std::vector<Fingerprint> one_of_each(shards_.size());
  for (std::uint32_t i = 0; i < 100; ++i) one_of_each[shard_of(shards_, numbered(i))] = numbered(i);
  const auto all = store_->get_many(one_of_each).value();
  for (const Lookup& found : all) {
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_FALSE(*found);
  }
}

TEST_F(SideBySide, ListingsAreReadTogether) {
  const auto visited = store_->visit([](const EntryInfo&) { return Visit::go_on; });
  EXPECT_TRUE(visited) << visited.error().message;
}

TEST_F(SideBySide, ServersAreClearedTogether) {
  const auto cleared = store_->clear();
  EXPECT_TRUE(cleared) << cleared.error().message;
}

TEST_F(Sharded, TheServerOfAnEntryHasIt) {
  for (std::uint32_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(store_->put(numbered(i), bytes_of("x"), {}));
    RemoteStore& server = store_->server_of(numbered(i));
    EXPECT_EQ(server.describe(), "test://" + shards_[shard_of(shards_, numbered(i))].host);
    EXPECT_TRUE(*server.get(numbered(i)));
    EXPECT_EQ(&server.server_of(numbered(i)), &server) << "it is one alone";
  }
}

TEST_F(Sharded, ABudgetOfAllTogetherIsRefused) {
  EXPECT_EQ(store_->prune({.max_entries = 5}, DryRun::no).error().code, Errc::unsupported);
}

}  // namespace
}  // namespace larder
