// As much of JUnit and AndroidX as the golden instrumentation test calls, for a JVM.

package org.junit

annotation class Test

object Assert {
    @JvmStatic
    fun assertEquals(expected: Any?, found: Any?) = assertEquals("", expected, found)

    @JvmStatic
    fun assertEquals(message: String, expected: Any?, found: Any?) {
        if (expected != found) throw AssertionError("$message: expected $expected, found $found")
    }

    @JvmStatic
    fun assertTrue(message: String, holds: Boolean) {
        if (!holds) throw AssertionError(message)
    }
}
