/** Version of this build. */
declare const __APP_VERSION__: string;
/** Whether this build holds the fake node. */
declare const __FAKE__: boolean;
/** Whether this build may connect to a node's development socket. */
declare const __DEV_WS__: boolean;
