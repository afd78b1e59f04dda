package androidx.test.platform.app

import android.content.Context

class Instrumentation {
    val context = Context()
    val targetContext = context
}

object InstrumentationRegistry {
    @JvmStatic
    fun getInstrumentation() = Instrumentation()
}
