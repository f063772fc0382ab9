#include "terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace larder::cli {
namespace {

bool is_dumb_terminal() {
  const char* kind = std::getenv("TERM");
  return kind == nullptr || std::string_view(kind) == "dumb";
}

bool wants_colours() {
  const char* no_color = std::getenv("NO_COLOR");
  const bool refused = no_color != nullptr && *no_color != '\0';
  return !refused && !is_dumb_terminal() && ::isatty(STDOUT_FILENO) == 1;
}

int code_of(Colour colour) {
  switch (colour) {
    case Colour::green: return 32;
    case Colour::yellow: return 33;
    case Colour::red: break;
  }
  return 31;
}

}  // namespace

std::string coloured(Colour colour, std::string_view text) {
  if (!wants_colours()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code_of(colour), text);
}

Progress::Progress(std::string_view label)
    : label_(label),
      visible_(::isatty(STDERR_FILENO) == 1 && !is_dumb_terminal()),
      next_draw_(Clock::now() + std::chrono::seconds(1)) {}

Progress::~Progress() {
  if (drawn_) fmt::print(stderr, "\r\x1b[K");
}

void Progress::expect(std::uint64_t total) { total_ = total; }

void Progress::step() {
  const std::lock_guard lock(mutex_);
  ++done_;
  if (!visible_ || Clock::now() < next_draw_) return;
  next_draw_ = Clock::now() + std::chrono::milliseconds(100);
  drawn_ = true;
  draw();
}

void Progress::draw() const {
  if (total_ == 0) {
    fmt::print(stderr, "\r\x1b[K{} {}", label_, done_);
  } else {
    constexpr std::uint64_t width = 30;
    const std::uint64_t filled = std::min(width, done_ * width / total_);
    fmt::print(stderr, "\r\x1b[K{} [{:#<{}}{:.<{}}] {}/{}", label_, "", filled, "", width - filled,
               done_, total_);
  }
  std::fflush(stderr);
}

}  // namespace larder::cli
