# The kernels for Arm as tests of ctest: built by Debian's cross compiler and run by QEMU, which takes a minute or two.
# Once, with the release build; a build on Arm has them among its own tests.
if(OCTET_SANITIZE OR CMAKE_SYSTEM_PROCESSOR STREQUAL aarch64)
  return()
endif()
find_program(OCTET_ARM_COMPILER aarch64-linux-gnu-g++)
find_program(OCTET_ARM_EMULATOR qemu-aarch64)
if(NOT OCTET_ARM_COMPILER OR NOT OCTET_ARM_EMULATOR OR NOT EXISTS /usr/src/googletest/googletest/CMakeLists.txt)
  add_test(NAME arm COMMAND ${CMAKE_COMMAND} -E echo
           "skipped: needs the packages g++-aarch64-linux-gnu, qemu-user and googletest")
  set_tests_properties(arm PROPERTIES SKIP_REGULAR_EXPRESSION skipped)
  return()
endif()

set(build ${PROJECT_BINARY_DIR}/arm)
add_test(NAME arm.build COMMAND ${CMAKE_CTEST_COMMAND} --build-and-test ${CMAKE_CURRENT_LIST_DIR} ${build}
         --build-generator ${CMAKE_GENERATOR} --build-noclean
         --build-options -DCMAKE_TOOLCHAIN_FILE=${CMAKE_CURRENT_LIST_DIR}/toolchain.cmake)
set_tests_properties(arm.build PROPERTIES FIXTURES_SETUP arm TIMEOUT 600 PROCESSORS 2)

# What runs on the CPU that QEMU plays.
function(arm_test name cpu isa program)
  add_test(NAME arm.${name} COMMAND ${OCTET_ARM_EMULATOR} -cpu ${cpu} ${build}/${program} --gtest_brief=1 ${ARGN})
  set_tests_properties(arm.${name} PROPERTIES FIXTURES_REQUIRED arm TIMEOUT 600 ENVIRONMENT "OCTET_ISA=${isa}")
endfunction()

arm_test(base max "" base_test)
arm_test(numeric max "" numeric_test)
arm_test(kernels max "" kernels_test)

# This has run every row. What is chosen where less is there: on older CPUs, where an instruction that does not belong
# in a row would end the program, and where OCTET_ISA says so.
set(products --gtest_filter=Formats/Int8Gemm*:GemmLimits*:GemmWidening*:PreparedInput*:Quantize*)
foreach(cpu cortex-a53 neoverse-n1)
  arm_test(kernels.${cpu} ${cpu} "" kernels_test ${products})
endforeach()
foreach(isa reference neon neon_dotprod)
  arm_test(kernels.${isa} max ${isa} kernels_test ${products})
endforeach()
