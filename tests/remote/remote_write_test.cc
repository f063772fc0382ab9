// Putting into a remote tier and removing from it: what is counted, and what a server that refuses
// or hangs costs.
#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "tests/remote/folder_store.h"

namespace larder {
namespace {

class RemoteWriteTest : public RemoteStoreTest {
 protected:
  // A breaker of two failures, where each look before the call is answered and the call is not.
  void expect_an_opening_after_two(const std::function<Errc()>& call) {
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(store().remote_metrics().breaker_openings, 0u);
      trouble_->add_success();
      trouble_->add(Errc::timed_out, Attempts::most);
      EXPECT_EQ(call(), Errc::timed_out);
    }
    EXPECT_EQ(store().remote_metrics().breaker_openings, 1u);
  }
};

TEST_F(RemoteWriteTest, EveryPutIsInOneCount) {
  options_.breaker.failures = 100;
  options_.max_entry_bytes = 1000;
  put(1, "x");
  put(1, "x");
  EXPECT_FALSE(store().put(numbered(2), bytes_of(std::string(1001, 'x'))));
  for (const Errc code : {Errc::not_ours, Errc::too_large, Errc::no_space, Errc::out_of_memory}) {
    trouble_->add_success();  // the look before it
    trouble_->add(code);
    EXPECT_EQ(store().put(numbered(2), bytes_of("x")).error().code, code);
  }
  const RemoteMetrics told = store().remote_metrics();
  EXPECT_EQ(told.uploads, 1u);
  EXPECT_EQ(told.uploads_unchanged, 1u);
  EXPECT_EQ(told.uploads_skipped, 1u);
  EXPECT_EQ(told.upload_failures, 4u);
}

// That it answers whether it has the entry is not to hide that it takes none.
TEST_F(RemoteWriteTest, AServerThatHangsOnUploadsOpensABreakerOfSeveralFailures) {
  options_.breaker.failures = 2;
  expect_an_opening_after_two([&] { return store().put(numbered(1), bytes_of("x")).error().code; });
}

TEST_F(RemoteWriteTest, WhatMayNotBeLookedAtMayBeReplaced) {
  put(1, "x");
  trouble_->add(Errc::permission_denied);
  put(1, "y");
  trouble_->add_success();
  trouble_->add(Errc::io_error);
  put(1, "z");
  EXPECT_EQ((*store().get(numbered(1)))->text(), "z");
  put(2, "y");
}

TEST_F(RemoteWriteTest, AServerThatTakesNoWritesIsStillRead) {
  put(1, "x");
  for (int refused = 0; refused < 3; ++refused) {
    const int asked = trouble_->asked();
    trouble_->add(Errc::permission_denied, 2);
    EXPECT_FALSE(store().put(numbered(2), bytes_of("y")));
    EXPECT_EQ(trouble_->asked(), asked + 2) << "it may have been that entry's own";
  }
  const int asked = trouble_->asked();
  EXPECT_FALSE(store().put(numbered(2), bytes_of("y")));
  EXPECT_EQ(trouble_->asked(), asked + 1) << "a look, and no upload: it said no a moment ago";
  EXPECT_TRUE(store().get(numbered(1)));
  put(1, "x");  // which is there
  EXPECT_EQ(store().remote_metrics().uploads_unchanged, 1u);
  EXPECT_EQ(store().remote_metrics().uploads_skipped, 1u);
}

// A few entries may be refused for what stands in their place, between many that are there.
TEST_F(RemoteWriteTest, WhatIsThereEndsARowOfRefusals) {
  put(1, "x");
  for (int refused = 0; refused < 10; ++refused) {
    trouble_->add_success();
    trouble_->add(Errc::permission_denied);
    EXPECT_EQ(store().put(numbered(2), bytes_of("y")).error().code, Errc::permission_denied);
    put(1, "x");
  }
  put(3, "z");
}

TEST_F(RemoteWriteTest, TheAttemptAfterAPauseIsAnUpload) {
  options_.breaker.pause = std::chrono::milliseconds(20);
  put(1, "x");
  for (int refused = 0; refused < 3; ++refused) {
    trouble_->add_success();
    trouble_->add(Errc::permission_denied);
    EXPECT_FALSE(store().put(numbered(2), bytes_of("y")));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  put(1, "x");
  put(2, "y");
}

TEST_F(RemoteWriteTest, WhatMayNotBeWrittenIsNot) {
  options_.access = Access::read_only;
  options_.max_entry_bytes = 3;
  for (const std::string_view payload : {"abc", "abcd"}) {
    const auto stored = store().put(numbered(1), bytes_of(payload));
    ASSERT_FALSE(stored);
    EXPECT_EQ(stored.error().code, Errc::read_only);
  }
  EXPECT_FALSE(store().remove(numbered(1)));
  EXPECT_FALSE(store().clear());
  EXPECT_EQ(trouble_->asked(), 0);
}

TEST_F(RemoteWriteTest, WhatIsTooLargeIsNotSent) {
  options_.max_entry_bytes = 3;
  put(1, "abc");
  const auto stored = store().put(numbered(2), bytes_of("abcd"));
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, Errc::too_large);
  EXPECT_EQ(store().remote_metrics().uploads_skipped, 1u);
}

TEST_F(RemoteWriteTest, WhatIsDamagedCanBeRemoved) {
  put(1, "x");
  write(file_of(1), "garbage");
  EXPECT_EQ(store().remove(numbered(1)), true);
  EXPECT_FALSE(std::filesystem::exists(file_of(1)));
}

// That it can be read is not to hide that nothing is ever removed.
TEST_F(RemoteWriteTest, AServerThatHangsOnRemovalsOpensABreakerOfSeveralFailures) {
  options_.breaker.failures = 2;
  put(1, "x");
  expect_an_opening_after_two([&] { return store().remove(numbered(1)).error().code; });
}

TEST_F(RemoteWriteTest, APruneWhoseRemovalsHangOpensABreakerOfSeveralFailures) {
  options_.breaker.failures = 2;
  put(1, "x");
  expect_an_opening_after_two([&] { return store().clear().error().code; });
}

}  // namespace
}  // namespace larder
