// What a process remembers of a server: that it is silent, and what it does not have.
#include "store/remote/breaker.h"

#include <gtest/gtest.h>

#include "store/remote/absences.h"
#include "tests/contract/store_contract.h"

namespace larder {
namespace {

TEST(BreakerTest, OpensAfterSoManyFailuresInARow) {
  Breaker breaker({.failures = 3, .pause = std::chrono::seconds(10)});
  const auto start = Breaker::Clock::now();
  breaker.failed(start);
  breaker.failed(start);
  breaker.succeeded();
  breaker.failed(start);
  breaker.failed(start);
  EXPECT_NE(Breaker::Admission::no, breaker.admit(start));
  breaker.failed(start);
  EXPECT_EQ(Breaker::Admission::no, breaker.admit(start));
  EXPECT_EQ(breaker.openings(), 1u);
}

TEST(BreakerTest, LetsOneThroughAfterThePause) {
  Breaker breaker({.failures = 1, .pause = std::chrono::seconds(8)});
  const auto start = Breaker::Clock::now();
  breaker.failed(start);
  const auto later = start + std::chrono::seconds(10);  // a pause is up to an eighth longer
  EXPECT_EQ(Breaker::Admission::no, breaker.admit(start + std::chrono::seconds(7)));
  EXPECT_NE(Breaker::Admission::no, breaker.admit(later));
  EXPECT_EQ(Breaker::Admission::no, breaker.admit(later)) << "while the first one tries";
  breaker.failed(later);
  EXPECT_EQ(Breaker::Admission::no, breaker.admit(later + std::chrono::seconds(7)));
  EXPECT_NE(Breaker::Admission::no, breaker.admit(later + std::chrono::seconds(10)))
      << "nobody told how it went";
  breaker.succeeded();
  EXPECT_NE(Breaker::Admission::no, breaker.admit(later + std::chrono::seconds(10)));
  EXPECT_EQ(breaker.openings(), 1u);
}

// The others wait for what it tells.
TEST(RemoteBreakers, OneAloneTriesAgain) {
  Breaker breaker({.failures = 1, .pause = std::chrono::milliseconds(1000)});
  const auto now = Breaker::Clock::now();
  EXPECT_EQ(breaker.admit(now), Breaker::Admission::yes);
  EXPECT_TRUE(breaker.failed(now));
  EXPECT_EQ(breaker.admit(now), Breaker::Admission::no);
  const auto later = now + std::chrono::milliseconds(1200);
  EXPECT_EQ(breaker.admit(later), Breaker::Admission::attempt);
  EXPECT_EQ(breaker.admit(later), Breaker::Admission::no);
  EXPECT_TRUE(breaker.succeeded());
  EXPECT_EQ(breaker.admit(later), Breaker::Admission::yes);
}

TEST(AbsencesTest, EndsInTimeAndWithAPut) {
  Absences absences(std::chrono::seconds(5));
  const auto start = Absences::Clock::now();
  absences.remember(numbered(1), absences.moment(), start);
  EXPECT_TRUE(absences.contains(numbered(1), start + std::chrono::seconds(4)));
  EXPECT_FALSE(absences.contains(numbered(1), start + std::chrono::seconds(5)));
  EXPECT_FALSE(absences.contains(numbered(2), start));
  absences.forget(numbered(1));
  EXPECT_FALSE(absences.contains(numbered(1), start));
}

TEST(AbsencesTest, AnAnswerFromBeforeAPutIsNotRemembered) {
  Absences absences(std::chrono::seconds(5));
  const auto start = Absences::Clock::now();
  const std::uint64_t moment = absences.moment();
  absences.forget(numbered(1));
  absences.remember(numbered(1), moment, start);
  EXPECT_FALSE(absences.contains(numbered(1), start));
}

}  // namespace
}  // namespace larder
