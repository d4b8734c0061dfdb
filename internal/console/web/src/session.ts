// Who asks, and what they may do.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Session } from "./api";

export const SessionContext = createContext<Session>({ methods: [] });

export const useMayAct = () => useContext(SessionContext).role === "operator";
export const useName = () => useContext(SessionContext).name;
