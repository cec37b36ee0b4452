// The test runner: every tests/*/*.cpp in one Catch2 program.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
