// What a remote store promises besides the contract of every store: whatever a server sends, and
// however it fails, is told apart, counted once, and harms nobody.
#include "larder/remote.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/derived_keys.h"
#include "format/entry.h"
#include "larder/recipe.h"
#include "store/remote/remote_store.h"
#include "tests/contract/store_contract.h"
#include "tests/remote/folder_store.h"

namespace larder {
namespace {

using remote::FolderTransport;
using remote::Trouble;

TEST_F(RemoteStoreTest, EveryOutcomeIsCountedApartAndTheyAddUp) {
  options_.breaker.failures = 100;
  options_.max_entry_bytes = 1000;
  put(1, "here");
  put(2, "damaged");
  write(file_of(2), read(file_of(1)));
  write(file_of(3), std::string(10'000, 'x'));
  EXPECT_TRUE(store().get(numbered(1)));
  EXPECT_TRUE(store().get(numbered(9)));
  EXPECT_EQ(error_of_get(2), Errc::corrupt);
  EXPECT_EQ(error_of_get(3), Errc::too_large);
  trouble_->add(Errc::timed_out, Attempts::most);
  EXPECT_EQ(error_of_get(1), Errc::timed_out);
  trouble_->add(Errc::unreachable, Attempts::most);
  EXPECT_EQ(error_of_get(1), Errc::unreachable);
  trouble_->add(Errc::io_error);
  EXPECT_EQ(error_of_get(1), Errc::io_error);

  const RemoteMetrics told = store().remote_metrics();
  EXPECT_EQ(told.lookups, 7u);
  EXPECT_EQ(told.hits, 1u);
  EXPECT_EQ(told.absent, 1u);
  EXPECT_EQ(told.corrupt, 1u);
  EXPECT_EQ(told.skipped, 1u);
  EXPECT_EQ(told.timeouts, 1u);
  EXPECT_EQ(told.errors, 2u);
  EXPECT_TRUE(told.balanced());
  EXPECT_TRUE(store().metrics().balanced());
  EXPECT_EQ(told.retries, 2u * (Attempts::most - 1));
}

TEST_F(RemoteStoreTest, NoFlippedBitAndNoCutIsServed) {
  const std::string recipe = Recipe("larder tests 2026-11").field("options", "-O2").encode();
  put(1, "the payload of this entry", recipe);
  const std::string good = read(file_of(1));
  const std::size_t end_of_tag = good.size() - recipe.size();
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    write(file_of(1), bad);
    const auto found = store().fetch(numbered(1));
    if (i >= 16 && i < 24) {  // the key id: now it is an entry of another key, which is none
      EXPECT_TRUE(found && !*found) << "byte " << i;
    } else if (i < end_of_tag) {
      ASSERT_FALSE(found) << "byte " << i;
      EXPECT_EQ(found.error().code, Errc::corrupt) << "byte " << i;
    } else {  // the recipe is not under the tag of the payload
      ASSERT_TRUE(found && *found) << "byte " << i;
      EXPECT_EQ((*found)->recipe, "") << "byte " << i;
    }
    write(file_of(1), std::string_view(good).substr(0, i));
    EXPECT_FALSE(store().get(numbered(1))) << "cut at " << i;
  }
  write(file_of(1), good);
  const auto whole = store().fetch(numbered(1));
  ASSERT_TRUE(whole && *whole);
  EXPECT_EQ((*whole)->payload.text(), "the payload of this entry");
  EXPECT_EQ(store().remote_metrics().other_key, 8u);
  EXPECT_EQ((*whole)->recipe, recipe);
}

TEST_F(RemoteStoreTest, TwoSwappedEntriesAreServedUnderNeitherName) {
  put(1, "one");
  put(2, "two");
  const std::string first = read(file_of(1));
  write(file_of(1), read(file_of(2)));
  write(file_of(2), first);
  EXPECT_EQ(error_of_get(1), Errc::corrupt);
  EXPECT_EQ(error_of_get(2), Errc::corrupt);
  EXPECT_TRUE(std::filesystem::exists(file_of(1))) << "it is not provably ours to remove";
  put(1, "one");
  EXPECT_EQ(store().get(numbered(1)).value()->text(), "one");
}

TEST_F(RemoteStoreTest, WhatPassesIsTriedAgain) {
  put(1, "x");
  for (const Errc code : {Errc::unreachable, Errc::timed_out}) {
    trouble_->add(code, Attempts::most - 1);
    EXPECT_TRUE(store().get(numbered(1))) << errc_name(code);
  }
  EXPECT_EQ(store().remote_metrics().retries, 2u * (Attempts::most - 1));
  EXPECT_EQ(store().remote_metrics().breaker_openings, 0u);
}

TEST_F(RemoteStoreTest, OfManyWhatPassesIsTriedAgainAndNothingElse) {
  for (std::uint32_t i = 1; i <= 3; ++i) put(i, "x");
  trouble_->add(Errc::not_ours);
  trouble_->add(Errc::unreachable);
  const int asked = trouble_->asked();
  const std::vector<Fingerprint> all = {numbered(1), numbered(2), numbered(3)};
  const auto found = store().get_many(all).value();
  ASSERT_FALSE(found[0]);
  EXPECT_EQ(found[0].error().code, Errc::not_ours);
  EXPECT_TRUE(found[1] && *found[1]);
  EXPECT_TRUE(found[2] && *found[2]);
  EXPECT_EQ(trouble_->asked(), asked + 4);
  EXPECT_EQ(store().remote_metrics().retries, 1u);
  EXPECT_EQ(store().remote_metrics().breaker_openings, 0u);
}

TEST_F(RemoteStoreTest, OfManyEachMayHaveToBeTriedAgainInTurn) {
  std::vector<Fingerprint> all;
  for (std::uint32_t i = 1; i <= 5; ++i) put(i, "x");
  for (std::uint32_t i = 1; i <= 5; ++i) all.push_back(numbered(i));
  for (int failures = 4; failures > 0; --failures) {  // each round brings the last one of it
    trouble_->add(Errc::unreachable, failures);
    trouble_->add_success();
  }
  const auto answers = store().get_many(all).value();
  for (const Lookup& found : answers) EXPECT_TRUE(found && *found);
  EXPECT_EQ(store().remote_metrics().breaker_openings, 0u);
}

TEST_F(RemoteStoreTest, OfManyOneThatFailsIsNoServerThatFails) {
  for (std::uint32_t i = 1; i <= 2; ++i) put(i, "x");
  const std::vector<Fingerprint> all = {numbered(1), numbered(2)};
  for (const Errc code : {Errc::permission_denied, Errc::io_error, Errc::unreachable}) {
    trouble_->add_success();
    trouble_->add(code, may_pass(code) ? Attempts::most : 1);
    const auto found = store().get_many(all).value();
    EXPECT_TRUE(found[0] && *found[0]) << errc_name(code);
    ASSERT_FALSE(found[1]) << errc_name(code);
    EXPECT_EQ(found[1].error().code, code);
  }
  EXPECT_EQ(store().remote_metrics().breaker_openings, 0u);
}

TEST_F(RemoteStoreTest, OfManySilenceToAllOpensTheBreaker) {
  const std::vector<Fingerprint> all = {numbered(1), numbered(2)};
  trouble_->add(Errc::permission_denied);
  trouble_->add(Errc::unreachable, Attempts::most);
  EXPECT_EQ(store().get_many(all).value()[1].error().code, Errc::unreachable);
  EXPECT_EQ(store().remote_metrics().breaker_openings, 1u);
  EXPECT_EQ(store().get_many(all).value()[0].error().code, Errc::unreachable);
  EXPECT_EQ(store().remote_metrics().skipped, 2u) << "the two that were not asked for";
}

TEST_F(RemoteStoreTest, WhatStaysIsNotTriedAgain) {
  put(1, "x");
  const int before = trouble_->asked();
  trouble_->add(Errc::not_ours);
  EXPECT_EQ(error_of_get(1), Errc::not_ours);
  EXPECT_EQ(trouble_->asked(), before + 1);
}

TEST_F(RemoteStoreTest, OneEntryThatIsRefusedCostsNoOther) {
  put(1, "x");
  for (const Errc code : {Errc::permission_denied, Errc::io_error}) {
    trouble_->add(code);
    EXPECT_EQ(error_of_get(2), code);
    trouble_->add(code);
    EXPECT_FALSE(store().visit([](const EntryInfo&) { return Visit::go_on; }));
    EXPECT_TRUE(store().get(numbered(1))) << errc_name(code);
  }
  EXPECT_EQ(store().remote_metrics().breaker_openings, 0u);
}

TEST_F(RemoteStoreTest, AServerThatRefusesEverythingIsLeftAlone) {
  const std::vector<Fingerprint> all = {numbered(1), numbered(2)};
  options_.breaker.pause = std::chrono::milliseconds(1);
  trouble_->add(Errc::permission_denied, 2);
  EXPECT_EQ(error_of_get(1), Errc::permission_denied);
  EXPECT_EQ(trouble_->asked(), 2) << "for the entry, and for one that nobody has";
  EXPECT_EQ(store().remote_metrics().breaker_openings, 1u);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(store().get(numbered(1))) << "it has changed its mind";
  trouble_->add(Errc::permission_denied, 3);
  EXPECT_FALSE(store().get_many(all).value()[1]);
  EXPECT_EQ(store().remote_metrics().breaker_openings, 2u);
}

TEST_F(RemoteStoreTest, WhatIsAbsentIsNotAskedForAgainForAWhile) {
  options_.remember_absent = std::chrono::hours(1);
  EXPECT_FALSE(*store().get(numbered(1)));
  const int asked = trouble_->asked();
  EXPECT_FALSE(*store().get(numbered(1)));
  const std::vector<Fingerprint> both = {numbered(1), numbered(2)};
  EXPECT_FALSE(*store().get_many(both).value()[1]);
  EXPECT_EQ(trouble_->asked(), asked + 1) << "for the second one";
  EXPECT_EQ(store().remote_metrics().absent, 4u);
  EXPECT_TRUE(store().remote_metrics().balanced());
  put(1, "x");
  EXPECT_EQ((*store().get(numbered(1)))->text(), "x");
  EXPECT_FALSE(*store().get(numbered(2)));
}

TEST_F(RemoteStoreTest, WhatIsAbsentIsAskedForEachTimeUnlessToldOtherwise) {
  EXPECT_FALSE(*store().get(numbered(1)));
  const int asked = trouble_->asked();
  EXPECT_FALSE(*store().get(numbered(1)));
  EXPECT_EQ(trouble_->asked(), asked + 1);
}

TEST_F(RemoteStoreTest, NoTroubleIsTakenForAnAbsence) {
  options_.remember_absent = std::chrono::hours(1);
  put(1, "x");
  trouble_->add(Errc::not_ours);
  EXPECT_EQ(error_of_get(1), Errc::not_ours);
  EXPECT_TRUE(*store().get(numbered(1)));
}

TEST_F(RemoteStoreTest, AServerThatFailedIsLeftAlone) {
  put(1, "x");
  trouble_->add(Errc::unreachable, Attempts::most);
  EXPECT_EQ(error_of_get(1), Errc::unreachable);
  const int asked = trouble_->asked();
  EXPECT_EQ(error_of_get(1), Errc::unreachable);
  EXPECT_FALSE(store().put(numbered(2), bytes_of("y")));
  EXPECT_FALSE(store().remove(numbered(1)));
  EXPECT_FALSE(store().visit([](const EntryInfo&) { return Visit::go_on; }));
  EXPECT_EQ(trouble_->asked(), asked);
  const RemoteMetrics told = store().remote_metrics();
  EXPECT_EQ(told.skipped, 1u);
  EXPECT_EQ(told.uploads_skipped, 1u);
  EXPECT_EQ(told.upload_failures, 0u);
  EXPECT_EQ(told.breaker_openings, 1u);
  EXPECT_TRUE(told.balanced());
}

TEST_F(RemoteStoreTest, ItIsAskedAgainAfterThePause) {
  options_.breaker.pause = std::chrono::milliseconds(1);
  put(1, "x");
  trouble_->add(Errc::unreachable, Attempts::most);
  EXPECT_EQ(error_of_get(1), Errc::unreachable);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(store().get(numbered(1)));
}

TEST_F(RemoteStoreTest, AForeignObjectIsNoEntryOfAListing) {
  put(1, "x");
  write(directory_.path() / "ab" / "readme.txt", "x");
  write(directory_.path() / "readme.txt", "x");
  int seen = 0;
  EXPECT_TRUE(store().visit([&](const EntryInfo& entry) {
    EXPECT_EQ(entry.fingerprint, numbered(1));
    ++seen;
    return Visit::go_on;
  }));
  EXPECT_EQ(seen, 1);
  EXPECT_TRUE(store().clear());
  EXPECT_TRUE(std::filesystem::exists(directory_.path() / "readme.txt"));
}

Keys keys_of(std::initializer_list<std::uint8_t> first_bytes) {
  std::vector<Keys::Secret> secrets;
  for (const std::uint8_t byte : first_bytes) secrets.push_back({byte});
  return Keys::from_secrets(secrets).value();
}

// A tier with a key, and the folder of its server as those see it who have another one, or none.
class KeyedRemote : public RemoteStoreTest {
 protected:
  KeyedRemote() { options_.keys = keys_of({1}); }

  std::unique_ptr<RemoteStoreImpl> other(const Keys& keys, const std::string& name_space = {}) {
    RemoteStoreOptions options = options_;
    options.keys = keys;
    options.name_space = name_space;
    return std::make_unique<RemoteStoreImpl>(
        options, [this] { return std::make_unique<FolderTransport>(directory_.path(), trouble_); });
  }
};

TEST_F(KeyedRemote, WhoHasTheSameKeyIsServed) {
  put(1, "x", "recipe");
  const auto same = other(keys_of({1}));
  EXPECT_EQ((*same->get(numbered(1)))->text(), "x");
  EXPECT_EQ((*same->inspect(numbered(1)))->key_id, keys_of({1}).ids().front());
  EXPECT_EQ((*other(keys_of({2, 1}))->get(numbered(1)))->text(), "x") << "rotated";
}

TEST_F(KeyedRemote, WhatWasMadeWithoutTheKeyIsAMissAndReplaced) {
  for (const Keys& keys : {Keys(), keys_of({2})}) {
    ASSERT_TRUE(other(keys)->put(numbered(1), bytes_of("planted"), {}));
    EXPECT_FALSE(*store().get(numbered(1)));
    EXPECT_FALSE(*store().inspect(numbered(1)));
    const std::vector<Fingerprint> one = {numbered(1)};
    EXPECT_FALSE(*store().get_many(one).value().front());
    put(1, "good");
    EXPECT_EQ((*store().get(numbered(1)))->text(), "good");
    EXPECT_FALSE(*other(keys)->get(numbered(1)));
  }
  EXPECT_EQ(store().remote_metrics().corrupt, 0u);
  EXPECT_EQ(store().remote_metrics().absent, 4u);
  EXPECT_EQ(store().remote_metrics().other_key, 4u) << "a description is no look-up";
}

TEST_F(KeyedRemote, WhatIsOfAnotherKeyIsNotRemoved) {
  const auto keyless = other(Keys());
  put(1, "x");
  EXPECT_EQ(keyless->remove(numbered(1)), false);
  EXPECT_EQ(other(keys_of({2}))->remove(numbered(1)), false);
  EXPECT_EQ((*store().get(numbered(1)))->text(), "x");
  ASSERT_TRUE(keyless->put(numbered(2), bytes_of("y"), {}));
  EXPECT_EQ(store().remove(numbered(2)), false);
  EXPECT_EQ((*keyless->get(numbered(2)))->text(), "y");
  EXPECT_EQ(store().metrics().removals, 0u);
  EXPECT_EQ(other(keys_of({2, 1}))->remove(numbered(1)), true) << "rotated";
  EXPECT_EQ(store().remove(numbered(1)), false) << "it is gone";
}

TEST_F(KeyedRemote, NoChangeOfTheServersIsServed) {
  put(1, "the payload");
  put(2, "another one");
  const std::string good = read(file_of(1));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    write(file_of(1), bad);
    const auto found = store().get(numbered(1));
    EXPECT_FALSE(found && *found) << "byte " << i;
  }
  write(file_of(1), read(file_of(2)));
  EXPECT_EQ(error_of_get(1), Errc::corrupt);
}

TEST_F(KeyedRemote, AnEntryOfAnotherNamespaceIsNotServed) {
  ASSERT_TRUE(other(keys_of({1}), "team")->put(numbered(1), bytes_of("x"), {}));
  const std::string hex = numbered(1).hex();
  write(file_of(1), read(directory_.path() / "team" / hex.substr(0, 2) / (hex + ".art")));
  const auto found = store().get(numbered(1));
  EXPECT_FALSE(found && *found);
}

// The context and the namespace are part of the format (docs/FORMAT.md).
TEST_F(KeyedRemote, TheKeyIsDerivedAsTheFormatSays) {
  const std::string name_space = "team";
  const auto key = derive_keys(options_.keys, "larder 2026-11-26 remote entry key v1",
                               std::as_bytes(std::span(name_space)));
  const auto entry =
      format::encode_entry(FileLayout::larder, numbered(1), bytes_of("x"), "", key.front());
  std::string bytes;
  for (const auto piece : entry.pieces()) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  }
  const std::string hex = numbered(1).hex();
  write(directory_.path() / "team" / hex.substr(0, 2) / (hex + ".art"), bytes);
  EXPECT_EQ((*other(options_.keys, "team")->get(numbered(1)))->text(), "x");
}

TEST_F(KeyedRemote, ATierWithoutAKeyNeverFillsAStoreThatHasOne) {
  const auto keyed = std::shared_ptr<RemoteStore>(other(keys_of({1})));
  const auto open = std::shared_ptr<RemoteStore>(other(Keys()));
  const auto backed = [](std::vector<RemoteTier> tiers) {
    return make_backed_store(
        {.local = make_memory_store().value(), .local_has_keys = true, .tiers = std::move(tiers)});
  };
  EXPECT_TRUE(backed({{keyed}}));
  EXPECT_FALSE(backed({{keyed}, {open}}));
}

}  // namespace
}  // namespace larder
