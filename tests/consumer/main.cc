// What somebody else's program would do, built in each way of finding Larder.
#include <larder/larder.h>

#include <cstdio>

int main() {
  const auto fingerprint = larder::Recipe("example.org 2026-11 consumer v1")
                               .field("source", "void main() {}")
                               .fingerprint();
  if (!fingerprint) return std::puts(fingerprint.error().message.c_str()), 1;
  std::puts(fingerprint->hex().c_str());
}
